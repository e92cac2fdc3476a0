import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listBackups } from '../../../src/backup/catalog.ts';
import { parseEnvironment } from '../../../src/environment/parse.ts';
import { execute } from '../../../src/local/executor.ts';
import { succeeded } from '../../../src/machines/ended.ts';
import { detailsOf } from '../../../src/sources/lakefs/gathered.ts';
import { branches, deleteRepository, repositories, write } from '../../../src/sources/lakefs/rest/api.ts';
import { openClient } from '../../../src/sources/lakefs/rest/client.ts';
import { apiOf } from '../../../src/sources/lakefs/rest/login.ts';
import { openStore } from '../../../src/stores/open.ts';
import { type LakefsServer, startLakefsServer } from '../../support/lakefs-server.ts';

/**
 * The real state machines and functions, in processes of their own, against the server of test/support and, where
 * LIFEBOAT_TEST_LAKEFS is {"endpoint", "accessKeyId", "secretAccessKey"} and "localPath", or "namespaces" and "storage", against a real lakeFS.
 */
interface Place {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of a server with local storage. */
  readonly localPath?: string;
  /** Of one with S3: where namespaces are made, `s3://bucket/prefix`, and how its buckets are met. */
  readonly namespaces?: string;
  readonly storage?: { readonly endpoint: string; readonly region: string };
}

const real: Place | undefined =
  process.env['LIFEBOAT_TEST_LAKEFS'] === undefined ? undefined : JSON.parse(process.env['LIFEBOAT_TEST_LAKEFS']);

const suite = (open: () => Promise<{ readonly place: Place; close(): Promise<void> }>): void => {
  const id = `lbtest-${Date.now().toString(36)}`;
  let folder = '';
  let opened: Awaited<ReturnType<typeof open>>;
  const namespace = (name: string): string =>
    opened.place.namespaces === undefined ? `local://${name}` : `${opened.place.namespaces}/${name}`;
  const client = () => openClient({ ...opened.place, api: apiOf(opened.place.endpoint) });

  beforeAll(async () => {
    opened = await open();
    folder = mkdtempSync(join(tmpdir(), 'lifeboat-lakefs-whole-'));
    process.env['LIFEBOAT_TEST_LAKEFS_SECRET'] = opened.place.secretAccessKey;
    await seed();
  });
  afterAll(async () => {
    for (const name of [id, `${id}-clone`]) await deleteRepository(client(), name);
    await opened.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const seed = async (): Promise<void> => {
    const to = client();
    const path = ['repositories', id];
    await write(
      to,
      { method: 'POST', path: ['repositories'], body: { name: id, storage_namespace: namespace(id), default_branch: 'trunk' } },
      201,
    );
    for (let n = 0; n < 25; n++) await put('trunk', `a/part-${n}.csv`, `${n}\n`.repeat(n + 1));
    await write(
      to,
      { method: 'POST', path: [...path, 'branches', 'trunk', 'commits'], body: { message: 'first', metadata: { b: '2', a: '1' } } },
      201,
    );
    for (const name of ['dev', 'feature-1'])
      await write(to, { method: 'POST', path: [...path, 'branches'], body: { name, source: 'trunk' } }, 201);
    await write(to, { method: 'POST', path: [...path, 'branches'], body: { name: 'ops', source: 'trunk', hidden: true } }, 201);
    await put('dev', 'dev/new.txt', 'dev');
    await put('feature-1', 'uncommitted/שלום %20&+.txt', 'not committed yet');
    await write(to, { method: 'POST', path: [...path, 'metadata'], body: { metadata: { owner: 'me' } } }, 200, 201, 204);
    await write(to, { method: 'PUT', path: [...path, 'settings', 'branch_protection'], body: [{ pattern: 'trunk' }] }, 204);
  };

  const put = async (branch: string, path: string, text: string): Promise<void> => {
    const { endpoint, accessKeyId, secretAccessKey } = opened.place;
    const url = `${apiOf(endpoint)}/repositories/${id}/branches/${branch}/objects?path=${encodeURIComponent(path)}`;
    const authorization = `Basic ${Buffer.from(`${accessKeyId}:${secretAccessKey}`).toString('base64')}`;
    const response = await fetch(url, { method: 'POST', body: text, headers: { authorization, 'content-type': 'text/plain' } });
    if (response.status !== 201) throw new Error(`upload answered ${response.status}: ${await response.text()}`);
  };

  const environment = () => {
    const { endpoint, accessKeyId, localPath, storage } = opened.place;
    const own = { ...(localPath === undefined ? {} : { localPath }), ...(storage === undefined ? {} : { storage }) };
    const at = { kind: 'lakefs', endpoint, accessKeyId, secretAccessKey: 'env:LIFEBOAT_TEST_LAKEFS_SECRET', ...own };
    return parseEnvironment(
      {
        store: `file://${folder}/store`,
        sources: { lake: { ...at, repository: id, drill: { scratch: 'drills' } } },
        targets: {
          drills: { ...at, repository: id, namespace: namespace(`drills-${id}`) },
          clone: { ...at, repository: `${id}-clone`, namespace: namespace(`${id}-clone`) },
        },
      },
      { name: 'test', root: folder },
    );
  };

  const run = async (machine: 'backup' | 'restore' | 'drill', input: Record<string, string> = {}) =>
    succeeded(
      await execute(environment(), machine, { source: 'lake', ...input }, { report: () => {}, signal: new AbortController().signal }),
    ).output;

  const manifests = async () => {
    const found = [];
    for await (const entry of listBackups(await openStore(`file://${folder}/store`), 'lake'))
      if ('manifest' in entry) found.push(entry.manifest);
    return found;
  };

  it('backs up, copies nothing twice, and proves it by a drill that leaves nothing behind', { timeout: 120_000 }, async () => {
    await run('backup');
    await run('backup');
    const [first, second] = await manifests();
    if (first === undefined || second === undefined) throw new Error('two backups were made');
    expect(detailsOf(first)).toMatchObject({
      counts: { branches: 4, tags: 0 },
      settings: { hidden: 1, protection: 1, metadata: 1 },
      uncommitted: 2,
    });
    expect(detailsOf(first).copied.objects).toBeGreaterThan(27);
    // A dump of the same refs may be another file, in lakeFS's own order of commit metadata.
    expect(detailsOf(second).copied.objects).toBeLessThanOrEqual(2);
    const output = await run('drill');
    expect(output).toMatchObject({ verdict: 'PASSED', failedChecks: 0 });
    const left = [];
    for await (const repository of repositories(client())) left.push(repository.id);
    expect(left.filter((name) => name.startsWith('lifeboat-drill-'))).toEqual([]);
  });

  it('restores a clone', { timeout: 120_000 }, async () => {
    expect(await run('restore', { backup: 'latest', target: 'clone' })).toMatchObject({ verdict: 'PASSED' });
    const heads = async (name: string) => {
      const found = [];
      for await (const branch of branches(client(), name, true)) found.push(branch);
      return found;
    };
    expect(await heads(`${id}-clone`)).toEqual(await heads(id));
    await expect(run('restore', { backup: 'latest', target: 'clone' })).rejects.toThrow(
      expect.objectContaining({ code: 'TargetNotEmpty' }),
    );
  });
};

describe('lakeFS as it was recorded', () => {
  suite(async () => {
    const localPath = mkdtempSync(join(tmpdir(), 'lifeboat-lakefs-data-'));
    const server: LakefsServer = await startLakefsServer(localPath);
    const { endpoint, accessKeyId, secretAccessKey } = server;
    return {
      place: { endpoint, accessKeyId, secretAccessKey, localPath },
      close: async () => {
        await server.stop();
        rmSync(localPath, { recursive: true, force: true });
      },
    };
  });
});

describe.skipIf(real === undefined)('a real lakeFS (skipped unless LIFEBOAT_TEST_LAKEFS names one)', () => {
  suite(async () => ({ place: real ?? { endpoint: '', accessKeyId: '', secretAccessKey: '' }, close: async () => {} }));
});
