import { describe, expect, it } from 'vitest';
import { backupPrefix, manifestKey, proofKey } from '../../src/backup/layout.ts';
import { acquireLease, releaseLease } from '../../src/backup/lease.ts';
import { encodeManifest } from '../../src/backup/manifest.ts';
import { encodeProof } from '../../src/backup/proof.ts';
import { type PruneInput, pruneBackups } from '../../src/backup/prune.ts';
import type { BackupId, Verdict } from '../../src/backup/types.ts';
import type { Budget } from '../../src/sources/contract.ts';
import { listed, objectsOf } from '../support/checks.ts';
import { withFaults } from '../support/faults.ts';
import { memoryRuntime, type TestRuntime } from '../support/runtime.ts';
import { ample, spent } from '../support/stages.ts';
import { exampleManifest, exampleProof, idAt } from './examples.ts';

const DAY = 24 * 60 * 60 * 1000;

const add = async (runtime: TestRuntime, iso: string, verdict?: Verdict): Promise<BackupId> => {
  const backup = idAt(iso);
  for (const name of ['receipts/dump.000000.0000.json', 'segments/000000.0000-abababab.sql.zst', 'RESTORE.md'])
    await runtime.store.create(backupPrefix('sea', backup) + name, Buffer.from('x'));
  await runtime.store.create(manifestKey('sea', backup), encodeManifest(exampleManifest('sea', backup, iso)));
  const drill = idAt('2026-11-20T00:00:00Z');
  if (verdict !== undefined)
    await runtime.store.create(proofKey('sea', backup, drill, 'json'), encodeProof(exampleProof('sea', backup, drill, verdict, iso)));
  return backup;
};

const days = ['2026-11-17T01:00:00.000Z', '2026-11-18T01:00:00.000Z', '2026-11-19T01:00:00.000Z', '2026-11-20T01:00:00.000Z'];
const withBackups = async () => {
  const runtime = memoryRuntime();
  const ids: BackupId[] = [];
  for (const day of days) ids.push(await add(runtime, day));
  return { runtime, ids };
};

const prune = (runtime: TestRuntime, changes: Partial<PruneInput> = {}, budget: Budget = ample) =>
  pruneBackups(runtime, { source: 'sea', policy: { last: 2 }, timezone: undefined, ...changes }, budget);

const foldersOf = async (runtime: TestRuntime): Promise<string[]> => [
  ...new Set([...(await objectsOf(runtime.store)).keys()].flatMap((key) => /^sea\/backups\/([^/]+)\//.exec(key)?.[1] ?? [])),
];

describe('pruneBackups', () => {
  it('removes what the policy does not keep, with its folder', async () => {
    const { runtime, ids } = await withBackups();
    expect(await prune(runtime)).toEqual({ removed: ids.slice(0, 2), swept: [], done: true });
    expect(await foldersOf(runtime)).toEqual(ids.slice(2));
  });

  it('keeps everything where there is no policy, and refuses one that keeps nothing', async () => {
    const { runtime, ids } = await withBackups();
    expect(await prune(runtime, { policy: undefined })).toMatchObject({ removed: [], done: true });
    await expect(prune(runtime, { policy: {} })).rejects.toMatchObject({ code: 'RetentionRefused' });
    expect(await foldersOf(runtime)).toEqual(ids);
  });

  it('keeps the newest that was proven, whatever its age', async () => {
    const { runtime, ids } = await withBackups();
    const proven = await add(runtime, '2026-11-01T01:00:00.000Z', 'PASSED');
    await prune(runtime);
    expect((await listed(runtime.store)).map(({ backup }) => backup)).toEqual([proven, ...ids.slice(2)]);
  });

  it('removes nothing while the newest drill failed, and says so', async () => {
    const { runtime } = await withBackups();
    await add(runtime, '2026-11-20T12:00:00.000Z', 'FAILED');
    expect(await prune(runtime)).toMatchObject({ removed: [] });
    expect(runtime.reported).toContainEqual({ type: 'warning', message: expect.stringContaining('nothing is pruned') });
  });

  it('removes the manifest first: a death leaves a backup whole, or not there', async () => {
    for (let skip = 0; skip < 8; skip++) {
      const { runtime: base, ids } = await withBackups();
      const faulty = withFaults(base.store, [{ on: 'delete', skip, fault: { kind: 'fail', code: 'StoreUnavailable', after: true } }]);
      await prune({ ...base, store: faulty }).catch(() => {});
      for (const { backup } of await listed(base.store)) {
        const keys = [...(await objectsOf(base.store)).keys()].filter((key) => key.startsWith(backupPrefix('sea', backup)));
        expect(keys).toHaveLength(4);
      }
      await prune(base);
      expect((await listed(base.store)).map(({ backup }) => backup)).toEqual(ids.slice(2));
    }
  });

  it('gets somewhere in each invocation, however little time there is', async () => {
    const { runtime, ids } = await withBackups();
    let calls = 1;
    while (!(await prune(runtime, {}, spent)).done) expect((calls += 1)).toBeLessThan(20);
    expect(calls).toBeGreaterThan(2);
    expect((await listed(runtime.store)).map(({ backup }) => backup)).toEqual(ids.slice(2));
  });

  it('sweeps folders that never came to a manifest, once nobody can be working on them', async () => {
    const runtime = memoryRuntime();
    const key = (iso: string): string => `${backupPrefix('sea', idAt(iso))}segments/000000.0000-abababab.sql.zst`;
    await runtime.store.create(key('2026-11-01T00:00:00Z'), Buffer.from('of a backup that failed'));
    await runtime.sleep(6 * DAY);
    await runtime.store.create(key('2026-10-01T00:00:00Z'), Buffer.from('of one that was scheduled long ago, and is being made'));
    expect(await prune(runtime)).toMatchObject({ swept: [] });
    await runtime.sleep(2 * DAY);
    expect(await prune(runtime)).toMatchObject({ swept: [backupPrefix('sea', idAt('2026-11-01T00:00:00Z'))] });
    expect(await foldersOf(runtime)).toEqual([idAt('2026-10-01T00:00:00Z')]);
  });

  it('removes nothing more once its lease is lost', async () => {
    const { runtime, ids } = await withBackups();
    const { token } = await acquireLease(runtime.control, {
      source: 'sea',
      execution: 'arn:one',
      expiresAt: new Date(runtime.clock.now() + DAY),
      now: runtime.now(),
      ownerState: async () => 'running',
    });
    await releaseLease(runtime.control, 'sea', token);
    await expect(prune(runtime, { lease: token })).rejects.toMatchObject({ code: 'LeaseLost' });
    expect(await foldersOf(runtime)).toEqual(ids);
  });

  it('leaves other sources alone', async () => {
    const { runtime } = await withBackups();
    const other = idAt('2026-11-01T00:00:00Z');
    await runtime.store.create(manifestKey('lake', other), encodeManifest(exampleManifest('lake', other, '2026-11-01T00:00:00.000Z')));
    await prune(runtime, { policy: { last: 1 } });
    expect((await listed(runtime.store, 'lake')).map(({ backup }) => backup)).toEqual([other]);
  });
});
