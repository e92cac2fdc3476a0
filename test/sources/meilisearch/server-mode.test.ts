import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judgeAudit } from '../../../src/drill/judge.ts';
import type { Cursor } from '../../../src/sources/contract.ts';
import { enqueue } from '../../../src/sources/meilisearch/api.ts';
import { withClient } from '../../../src/sources/meilisearch/client.ts';
import { dumpFile } from '../../../src/sources/meilisearch/file-task.ts';
import { inspectSource } from '../../../src/sources/meilisearch/inspect.ts';
import { meilisearchTarget } from '../../../src/sources/meilisearch/target.ts';
import { filesOf, tarOf } from '../../support/meilisearch-dumps.ts';
import { type MeilisearchServer, startMeilisearch } from '../../support/meilisearch-server.ts';
import { documentLines, seedIndex } from '../../support/meilisearch-state.ts';
import { addressOf, auditOf, backUp, none, restoreContext, restoreInto, services } from './harness.ts';

describe('a dump that the server writes', () => {
  let from: MeilisearchServer;
  let to: MeilisearchServer;
  let folder: string;

  beforeEach(async () => {
    [from, to] = [await startMeilisearch(), await startMeilisearch()];
    folder = mkdtempSync(join(tmpdir(), 'lifeboat-dumps-'));
    seedIndex(
      from,
      'films',
      'id',
      Array.from({ length: 300 }, (_, n) => `{"id":${n},"title":"film ${n}","one":1.0}`),
      { sortableAttributes: ['id'] },
    );
    from.state.dump = async (uid) => writeFileSync(join(folder, `${uid}.dump`), (await backUp(from, { waitMs: 0 })).dump);
  });
  afterEach(async () => {
    await Promise.all([from.stop(), to.stop()]);
    rmSync(folder, { recursive: true });
  });

  const server = () => ({ mode: 'server' as const, dumpDirectory: folder });
  const failed = (run: () => void) => {
    from.state.dump = async () => run();
    return expect(backUp(from, { address: server() })).rejects;
  };

  it('is copied as it is, and restored over HTTP', async () => {
    const backup = await backUp(from, { address: server(), budget: none });
    expect(backup.manifest.pointInTime).toMatchObject({ consistency: 'snapshot', token: { mode: 'server' } });
    expect(backup.manifest.segments.every(({ encoding }) => encoding === 'identity')).toBe(true);
    const target = meilisearchTarget(addressOf(to), services);
    await restoreInto(target, backup);
    expect(documentLines(to, 'films')).toEqual(documentLines(from, 'films'));
    const { digests, checks } = await auditOf(target, backup);
    const result = judgeAudit({ manifest: backup.manifest, digests, checks, assertions: [] });
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.verdict).toBe('PASSED');
  });

  it('with tasks that waited says so, and an audit does not pretend to have looked', async () => {
    const task = { uid: 3, indexUid: 'films', status: 'enqueued', type: 'documentClear', enqueuedAt: '2026-11-21T00:00:00Z' };
    from.state.dump = async (uid) =>
      writeFileSync(join(folder, `${uid}.dump`), gzipSync(tarOf({ ...filesOf(6), 'tasks/queue.jsonl': JSON.stringify(task) })));
    const backup = await backUp(from, { address: server() });
    expect(backup.manifest.assertions).toEqual([{ name: 'tasks that waited', value: '1' }]);
    const target = meilisearchTarget(addressOf(to), services);
    await restoreInto(target, backup);
    const { digests, checks } = await auditOf(target, backup);
    const result = judgeAudit({ manifest: backup.manifest, digests, checks, assertions: [] });
    expect(result.notMeasured.map(({ what }) => what)).toEqual(['tasks that waited']);
  });

  it('counts only when its task succeeded and its file is whole', async () => {
    await failed(() => {
      throw new Error('No such file or directory (os error 2)');
    }).toMatchObject({ code: 'BackupFailed', message: expect.stringContaining('os error 2') });
    await failed(() => {}).toMatchObject({ code: 'BackupFailed', message: expect.stringContaining('is not here') });
    from.state.dump = async (uid) => writeFileSync(join(folder, `${uid}.dump`), (await backUp(from, { waitMs: 0 })).dump.subarray(0, 700));
    await expect(backUp(from, { address: server() })).rejects.toMatchObject({ code: 'ArtifactInvalid' });
  });

  it('says that it was canceled, by name', async () => {
    from.before = ({ path }) => {
      const match = /^\/tasks\/(\d+)$/.exec(path);
      const task = from.state.tasks[Number(match?.[1])];
      if (task !== undefined) task.status = 'canceled';
      return undefined;
    };
    await expect(backUp(from, { address: server() })).rejects.toMatchObject({
      code: 'BackupFailed',
      message: expect.stringContaining('canceled'),
    });
  });

  it('is given up when it does not begin, or does not end, by name', async () => {
    const [inQueue, atWork] = [6 * 60 * 60, 11 * 60 * 60].map((seconds) => ({ phase: 'wait', looks: seconds / 2 + 1 }));
    const stuck = (status: string, cursor: object | undefined) =>
      withClient(addressOf(from), services, undefined, async (client) => {
        const uid = await enqueue(client, 'POST', '/dumps');
        from.before = ({ path }) => {
          const task = from.state.tasks[uid];
          if (task !== undefined && path === `/tasks/${uid}`) task.status = status;
          return undefined;
        };
        const resume = JSON.stringify(cursor) as Cursor;
        const context = { ...restoreContext(await backUp(from, { waitMs: 0 })), task: 0 };
        return dumpFile(client, { mode: 'server', at: '2026-11-21T00:00:00Z', task: uid }, context, resume);
      });
    await expect(stuck('enqueued', inQueue)).rejects.toMatchObject({
      code: 'BackupFailed',
      message: expect.stringContaining('did not begin'),
    });
    await expect(stuck('processing', atWork)).rejects.toMatchObject({
      code: 'BackupFailed',
      message: expect.stringContaining('did not end'),
    });
    expect(await stuck('processing', inQueue)).toMatchObject({ next: { afterSeconds: 2 } });
  });

  it('needs a folder that is here', async () => {
    const problems = async (address: object) => (await inspectSource(addressOf(from, address), services)).problems.map(({ code }) => code);
    expect(await problems({ mode: 'server' })).toEqual(['DumpDirectoryMissing']);
    expect(await problems({ mode: 'server', dumpDirectory: '/nonexistent-folder' })).toEqual(['DumpDirectoryMissing']);
    expect(await problems(server())).toEqual([]);
  });
});
