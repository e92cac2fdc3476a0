import { describe, expect, it } from 'vitest';
import { abortBackup, endBackup, releasePointInTime } from '../../src/backup/end.ts';
import { isReleased } from '../../src/backup/instants.ts';
import { receiptKey, restoreGuideKey } from '../../src/backup/layout.ts';
import { releaseLease } from '../../src/backup/lease.ts';
import { readAll } from '../../src/backup/objects.ts';
import { readRun } from '../../src/backup/run-record.ts';
import { sealBackup } from '../../src/backup/seal.ts';
import { backedUp, dumped, fakes, mustFind } from '../support/by-hand.ts';
import { artifactOf, leaseHolder, listed, mustVerify, objectsOf } from '../support/checks.ts';
import { textOf } from '../support/fake-server.ts';
import { withFaults } from '../support/faults.ts';
import { memoryRuntime, type TestRuntime } from '../support/runtime.ts';
import { ample, spent } from '../support/stages.ts';

const guideOf = async (runtime: TestRuntime, backup: Awaited<ReturnType<typeof dumped>>['backup']): Promise<string> =>
  Buffer.from((await readAll(runtime.store, restoreGuideKey('sea', backup))) ?? []).toString('utf8');

describe('sealBackup', () => {
  it('makes a backup exist: its manifest tells all, and its guide lists each segment in order', async () => {
    const runtime = memoryRuntime();
    const all = fakes(runtime);
    const input = await dumped(runtime, all);
    expect(await listed(runtime.store)).toEqual([]);
    const { summary } = await sealBackup(runtime, all.source, input, ample);
    const manifest = await mustFind(runtime, input.backup);
    await mustVerify(runtime.store, manifest);
    expect(await artifactOf(runtime.store, manifest)).toBe(textOf(all.server.database('sea').content));
    expect(manifest).toMatchObject({
      tool: 'lifeboat 0.0.0',
      execution: 'arn:one',
      source: { name: 'sea', kind: 'fake', product: 'Fake', place: 'fake://one/sea' },
      assertions: [{ name: 'fake.rows', value: '33' }],
      previous: null,
    });
    expect(manifest.segments.map(({ ordinal }) => ordinal)).toEqual(manifest.segments.map(({ ordinal }) => ordinal).toSorted());
    expect(summary).toMatchObject({ rows: '33', classes: 3, segments: manifest.segments.length });
    const guide = await guideOf(runtime, input.backup);
    expect(guide.split('\n').filter((line) => line.startsWith('segments/'))).toEqual(manifest.segments.map(({ key }) => key));
  });

  it('names the manifest before it', async () => {
    const runtime = memoryRuntime();
    const all = fakes(runtime);
    await backedUp(runtime, all, 'arn:one');
    runtime.states.set('arn:one', 'gone');
    const [first] = await listed(runtime.store);
    const second = await backedUp(runtime, all, 'arn:two', new Date('2026-11-21T02:00:00Z'));
    expect(second.previous).toBe(first?.state === 'sound' ? first.manifestSha256 : undefined);
  });

  it('answers the same when it is tried again, also after a death between any two writes', async () => {
    for (let skip = 0; skip < 6; skip++) {
      const base = memoryRuntime();
      const all = fakes(base);
      const input = await dumped(base, all);
      const faulty = withFaults(base.store, [{ on: 'create', skip, fault: { kind: 'fail', code: 'StoreUnavailable', after: true } }]);
      await sealBackup({ ...base, store: faulty }, all.source, input, ample).catch(() => {});
      const { summary } = await sealBackup(base, all.source, input, ample);
      const before = await objectsOf(base.store);
      expect(await sealBackup(base, all.source, input, ample)).toMatchObject({ summary });
      expect(await objectsOf(base.store)).toEqual(before);
      await mustVerify(base.store, await mustFind(base, input.backup));
    }
  });

  it('goes on where its time was over', async () => {
    const runtime = memoryRuntime();
    const all = fakes(runtime);
    const input = await dumped(runtime, all);
    let resume: string | null = null;
    let calls = 0;
    for (; calls === 0 || resume !== null; calls++) {
      const sealed = await sealBackup(runtime, all.source, { ...input, resume }, spent);
      expect(sealed.summary === null).toBe(sealed.resume !== null);
      resume = sealed.resume;
    }
    expect(calls).toBe(2);
    await mustVerify(runtime.store, await mustFind(runtime, input.backup));
  });

  it('refuses to seal what is not whole', async () => {
    const runtime = memoryRuntime();
    const all = fakes(runtime);
    const input = await dumped(runtime, all);
    await runtime.store.delete(receiptKey('sea', input.backup, 'dump', 2, 0));
    await expect(sealBackup(runtime, all.source, input, ample)).rejects.toMatchObject({ code: 'BackupIncomplete' });
    expect(await listed(runtime.store)).toEqual([]);
  });

  it('refuses to seal without its lease', async () => {
    const runtime = memoryRuntime();
    const all = fakes(runtime);
    const input = await dumped(runtime, all);
    await releaseLease(runtime.control, 'sea', (await readRun(runtime, 'sea', input.backup)).lease);
    await expect(sealBackup(runtime, all.source, input, ample)).rejects.toMatchObject({ code: 'LeaseLost' });
    expect(await listed(runtime.store)).toEqual([]);
  });

  it('does not touch a manifest of somebody else under its name', async () => {
    const runtime = memoryRuntime();
    const all = fakes(runtime);
    const input = await dumped(runtime, all);
    const other = await backedUp(memoryRuntime(), fakes(memoryRuntime()));
    const text = JSON.stringify({ ...other, backup: input.backup, execution: 'arn:other' });
    const racing = withFaults(runtime.store, [
      {
        on: 'create',
        key: /manifest\.json$/,
        fault: { kind: 'call', run: async (key) => void (await runtime.store.create(key, Buffer.from(text))) },
      },
    ]);
    await expect(sealBackup({ ...runtime, store: racing }, all.source, input, ample)).rejects.toMatchObject({ code: 'StoreConflict' });
  });
});

describe('the end of a backup', () => {
  it('releases the instant and gives the lease back, as often as it is asked', async () => {
    const runtime = memoryRuntime();
    const all = fakes(runtime);
    const { backup } = await dumped(runtime, all);
    for (let n = 0; n < 2; n++) {
      await releasePointInTime(runtime, all.source, { source: 'sea', backup });
      await endBackup(runtime, { source: 'sea', backup });
    }
    expect(await isReleased(runtime, 'sea', backup)).toBe(true);
    expect(await leaseHolder(runtime.control, 'sea')).toBeUndefined();
  });

  it('closes what open opened', async () => {
    const runtime = memoryRuntime();
    const all = fakes(runtime);
    const { backup } = await dumped(runtime, all);
    const closed: string[] = [];
    const source = { ...all.source, close: async ({ at }: { readonly at: string }) => void closed.push(at) };
    await releasePointInTime(runtime, source, { source: 'sea', backup });
    expect(closed).toHaveLength(1);
  });

  it('keeps a lease that somebody took over since', async () => {
    const runtime = memoryRuntime();
    const all = fakes(runtime);
    const { backup } = await dumped(runtime, all, 'arn:one');
    runtime.states.set('arn:one', 'gone');
    await dumped(runtime, all, 'arn:two', new Date('2026-11-21T02:00:00Z'));
    await endBackup(runtime, { source: 'sea', backup });
    expect(await leaseHolder(runtime.control, 'sea')).toBe('arn:two');
  });

  it('in failure deletes nothing, gives everything back, and says why', async () => {
    const runtime = memoryRuntime();
    const all = fakes(runtime);
    const { backup } = await dumped(runtime, all);
    const before = await objectsOf(runtime.store);
    const aborted = await abortBackup(runtime, all.source, { source: 'sea', backup }, { Error: 'SourceChanged', Cause: 'a table is gone' });
    expect(aborted).toMatchObject({ completed: false, failure: { code: 'SourceChanged', message: 'a table is gone' } });
    expect(await objectsOf(runtime.store)).toEqual(before);
    expect(await isReleased(runtime, 'sea', backup)).toBe(true);
    expect(await leaseHolder(runtime.control, 'sea')).toBeUndefined();
  });

  it('that came after the manifest is no failure: the backup is there, and the lease is kept for what follows', async () => {
    const runtime = memoryRuntime();
    const all = fakes(runtime);
    const { backup } = await backedUp(runtime, all);
    expect(await abortBackup(runtime, all.source, { source: 'sea', backup }, null)).toEqual({ completed: true });
    expect(await leaseHolder(runtime.control, 'sea')).toBe('arn:one');
  });
});
