import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { objectsBelow } from '../../../src/backup/pool.ts';
import type { Manifest } from '../../../src/backup/types.ts';
import { detailsOf } from '../../../src/sources/lakefs/gathered.ts';
import { proveOffline } from '../../../src/sources/lakefs/offline.ts';
import { commit, type Repository, upload } from '../../support/lakefs-repository.ts';
import { fill, forever, type Harness, openHarness, SOURCE, spent } from './harness.ts';

let harness: Harness;
let sample: Repository;

beforeEach(async () => {
  harness = await openHarness();
  sample = fill(harness);
});
afterEach(() => harness.close());

const failed = (code: string, message?: RegExp) =>
  expect.objectContaining({ code, ...(message === undefined ? {} : { message: expect.stringMatching(message) }) });

const poolKeys = async (): Promise<string[]> => {
  const keys: string[] = [];
  for await (const { key } of harness.store.list(`${SOURCE}/objects/`)) keys.push(key.slice(`${SOURCE}/objects/`.length));
  return keys;
};

const textOf = async (manifest: Manifest, kind: string): Promise<string> => {
  const segment = manifest.segments.find(
    ({ context }) => typeof context === 'object' && context !== null && 'kind' in context && context['kind'] === kind,
  );
  const chunks: Uint8Array[] = [];
  for await (const chunk of harness.store.read(`${SOURCE}/backups/${manifest.backup}/${segment?.key}`)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
};

describe('a backup', () => {
  it('has the refs, everything that they reach, and what lakeFS would lose', async () => {
    const manifest = await harness.backup();
    expect(Object.fromEntries(manifest.digests.map(({ name, rows }) => [name, rows]))).toMatchObject({
      branches: '5',
      tags: '2',
      commits: '5',
    });
    expect(detailsOf(manifest)).toMatchObject({
      settings: { hidden: 1, protection: 1, pulls: 2, metadata: 2, rules: true },
      uncommitted: 2,
      movedBranches: 0,
    });
    expect(manifest.pointInTime.consistency).toBe('snapshot');
    const reached = (await poolKeys()).filter((key) => key.startsWith('data/'));
    expect(reached.sort()).toEqual(
      readdirSync(join(sample.folder, 'data', sample.uid))
        .map((name) => `data/${sample.uid}/${name}`)
        .sort(),
    );
  });

  it('gives manifests that lakectl and lakefs-refs.py take', async () => {
    const manifest = await harness.backup();
    const ids = JSON.parse(await textOf(manifest, 'refs'));
    expect(Object.keys(ids)).toEqual(['branches_meta_range_id', 'commits_meta_range_id', 'tags_meta_range_id']);
    expect(ids).toEqual(detailsOf(manifest).ids);
    expect(JSON.parse(await textOf(manifest, 'script'))).toEqual({
      repository: { name: 'sample', storage_namespace: 'local://repos/sample', default_branch: 'trunk', storage_id: '' },
      refs: ids,
    });
    expect(manifest.segments.filter(({ role }) => role === 'artifact')).toHaveLength(1);
  });

  it('copies only what is new the second time', async () => {
    const first = detailsOf(await harness.backup()).copied;
    expect(first.objects).toBeGreaterThan(40);
    const again = detailsOf(await harness.backup()).copied;
    expect(again).toMatchObject({ objects: 0, bytes: 0, listed: first.listed });
    sample.branches.get('dev')?.staged.set('dev/two.txt', upload(sample, Buffer.from('two')));
    commit(sample, 'dev', 'two');
    const third = detailsOf(await harness.backup()).copied;
    // One object; four ranges, which all begin a row later, and their metarange; two files each of the branches and the commits.
    expect(third.objects).toBe(1 + 4 + 1 + 4);
  });

  it('is the same when every invocation has time for one step only', async () => {
    const whole = await harness.backup();
    const other = await openHarness();
    try {
      // The same folder and server, another store.
      const pieces = await other.backup(harness.source(), spent);
      expect(pieces.digests).toEqual(whole.digests);
      expect(detailsOf(pieces).copied).toMatchObject({ objects: detailsOf(whole).copied.objects, listed: detailsOf(whole).copied.listed });
    } finally {
      await other.close();
    }
  });

  it('lists what was imported from elsewhere and does not copy it', async () => {
    sample.branches.get('dev')?.staged.set('ext/f.txt', {
      address: 's3://elsewhere/f.txt',
      size: 5,
      etag: 'x',
      mtime: 1,
      metadata: {},
      contentType: 'text/plain',
      full: true,
    });
    commit(sample, 'dev', 'import');
    const manifest = await harness.backup();
    expect(Object.values(manifest.notIncluded)).toContain('1');
    expect(Object.keys(manifest.notIncluded).join()).toContain('imported objects');
    expect((await poolKeys()).some((key) => key.includes('elsewhere'))).toBe(false);
  });

  it('commits what is staged when it is told to, on hidden branches too', async () => {
    sample.branches.get('ops')?.staged.set('ops.txt', upload(sample, Buffer.from('ops')));
    const manifest = await harness.backup(harness.source({ uncommitted: 'commit' }));
    expect(detailsOf(manifest)).toMatchObject({ uncommitted: 0, counts: { commits: 7 } });
    expect(sample.branches.get('ops')?.staged.size).toBe(0);
  });

  it('does not commit on a protected branch, and says so', async () => {
    sample.branches.get('trunk')?.staged.set('x.txt', upload(sample, Buffer.from('x')));
    await expect(harness.backup(harness.source({ uncommitted: 'commit' }))).rejects.toThrow(failed('PermissionDenied', /protected branch/));
  });
});

describe('a backup fails by name', () => {
  it('with wrong keys, without the repository, without the server', async () => {
    const wrong = harness.source({ inlineSecretAccessKey: 'wrong' });
    await expect(wrong.inspect()).rejects.toThrow(failed('LoginFailed'));
    await expect(harness.source({ repository: 'nope' }).inspect()).rejects.toThrow(failed('NoSuchDatabase', /nope/));
    await harness.server.stop();
    await expect(harness.source().inspect()).rejects.toThrow(failed('ConnectionRefused'));
  });

  it('when its namespace is not where it should be, or another repository lies in it', async () => {
    harness.server.make('twin', 'local://repos/sample');
    expect((await harness.source().inspect()).problems.map(({ code }) => code)).toEqual(['SharedNamespace']);
    harness.server.repositories.delete('twin');
    expect((await harness.source({ localPath: '/nonexistent' }).inspect()).problems.map(({ code }) => code)).toEqual(['EmptyNamespace']);
  });

  it('when a dump is torn twice; one torn asynchronous dump is repaired', async () => {
    harness.server.play.tornDumps = 1;
    expect(detailsOf(await harness.backup(harness.source({ dump: 'async' }))).counts.commits).toBe(5);
    harness.server.play.tornDumps = 2;
    await expect(harness.backup(harness.source({ dump: 'async' }))).rejects.toThrow(failed('RefsTorn', /branch trunk points to commit/));
  });

  it('when garbage collection took an object meanwhile', async () => {
    const [name = ''] = readdirSync(join(sample.folder, 'data', sample.uid));
    rmSync(join(sample.folder, 'data', sample.uid, name));
    await expect(harness.backup()).rejects.toThrow(failed('ObjectMissing', new RegExp(name)));
  });

  it('when a range is damaged or gone', async () => {
    const manifest = await harness.backup();
    const range =
      (await poolKeys()).find(
        (key) => key.startsWith('_lakefs/') && readFileSync(join(sample.folder, key)).includes(`data/${sample.uid}`),
      ) ?? '';
    const path = join(sample.folder, range);
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20);
    writeFileSync(path, bytes);
    const source = harness.source({ uncommitted: 'leave' });
    await expect(harness.backup(source)).rejects.toThrow(failed('ArtifactInvalid', /checksum/));
    rmSync(path);
    await expect(harness.backup(source)).rejects.toThrow(failed('ObjectMissing'));
    expect(manifest.segments.length).toBeGreaterThan(3);
  });

  it('when an object in the pool was lost since an earlier backup: it is copied again', async () => {
    await harness.backup();
    const [victim = ''] = (await poolKeys()).filter((key) => key.startsWith('data/'));
    await harness.store.delete(`${SOURCE}/objects/${victim}`);
    expect(detailsOf(await harness.backup()).copied.objects).toBe(1);
  });

  it('when an object in the pool has another size', async () => {
    await harness.backup();
    const victim = `${SOURCE}/objects/${(await poolKeys()).find((key) => key.startsWith('data/'))}`;
    await harness.store.delete(victim);
    await harness.store.create(victim, Buffer.alloc(9999));
    await expect(harness.backup()).rejects.toThrow(failed('SourceChanged', /9999 bytes/));
  });

  it('when the server is overloaded for a moment, it goes on', async () => {
    harness.server.play.faults.push({ match: /refs\/dump$/, status: 503, message: 'slow down', times: 1 });
    await expect(harness.backup()).resolves.toBeDefined();
  });
});

describe('a proof without a server', () => {
  const prove = async (manifest: Manifest, readBytes = true) => {
    await harness.server.stop();
    const { ids, repository, metadataPrefix } = detailsOf(manifest);
    return proveOffline({
      objects: objectsBelow(harness.store, `${SOURCE}/objects/`),
      ids,
      defaultBranch: repository.defaultBranch,
      metadataPrefix,
      readBytes,
      budget: forever,
    });
  };

  it('finds everything', async () => {
    const manifest = await harness.backup();
    const proof = await prove(manifest);
    expect(proof).toMatchObject({ branches: 5, tags: 2, commits: 5, flaws: [] });
    expect(proof.read).toBe(proof.objects);
    expect(String(proof.rows)).toBe(manifest.digests.find(({ name }) => name === 'objects')?.rows);
  });

  it('names what is missing, and what has other bytes', async () => {
    const manifest = await harness.backup();
    const [first = '', second = ''] = (await poolKeys()).filter((key) => key.startsWith('data/'));
    const size = (await harness.store.head(`${SOURCE}/objects/${second}`))?.bytes ?? 0;
    for (const key of [first, second]) await harness.store.delete(`${SOURCE}/objects/${key}`);
    await harness.store.create(`${SOURCE}/objects/${second}`, Buffer.alloc(size, 0));
    const proof = await prove(manifest);
    expect(proof.flaws.some(({ key, message }) => key === first && message.includes('missing'))).toBe(true);
    expect(proof.flaws.some(({ key, message }) => key === second && message.includes('md5'))).toBe(true);
  });

  it('refuses a damaged metadata file', async () => {
    const manifest = await harness.backup();
    const key = `${SOURCE}/objects/_lakefs/${detailsOf(manifest).ids.commits_meta_range_id}`;
    await harness.store.delete(key);
    await expect(prove(manifest)).rejects.toThrow(failed('ObjectMissing'));
    expect(existsSync(sample.folder)).toBe(true);
  });
});
