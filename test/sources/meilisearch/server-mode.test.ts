import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judgeAudit } from '../../../src/drill/judge.ts';
import { inspectSource } from '../../../src/sources/meilisearch/inspect.ts';
import { meilisearchTarget } from '../../../src/sources/meilisearch/target.ts';
import { type MeilisearchServer, startMeilisearch } from '../../support/meilisearch-server.ts';
import { documentLines, seedIndex } from '../../support/meilisearch-state.ts';
import { addressOf, auditOf, backUp, none, restoreInto, services } from './harness.ts';

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

  it('needs a folder that is here', async () => {
    const problems = async (address: object) => (await inspectSource(addressOf(from, address), services)).problems.map(({ code }) => code);
    expect(await problems({ mode: 'server' })).toEqual(['DumpDirectoryMissing']);
    expect(await problems({ mode: 'server', dumpDirectory: '/nonexistent-folder' })).toEqual(['DumpDirectoryMissing']);
    expect(await problems(server())).toEqual([]);
  });
});
