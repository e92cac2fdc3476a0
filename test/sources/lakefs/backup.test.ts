import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backupPrefix } from '../../../src/backup/layout.ts';
import { objectsBelow } from '../../../src/backup/pool.ts';
import { segmentSource } from '../../../src/backup/segments.ts';
import type { Manifest } from '../../../src/backup/types.ts';
import type { Objects, Services } from '../../../src/sources/contract.ts';
import { detailsOf } from '../../../src/sources/lakefs/gathered.ts';
import { proveOffline, verifyPool } from '../../../src/sources/lakefs/offline.ts';
import { lakefsSource } from '../../../src/sources/lakefs/source.ts';
import { lakefsTarget } from '../../../src/sources/lakefs/target.ts';
import { memoryStore } from '../../../src/stores/memory.ts';
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

const uncommittedKey = () => sample.branches.get('feature-1')?.staged.get('uncommitted/new.txt')?.address;
const committedKeys = async () => (await poolKeys()).filter((key) => key.startsWith('data/') && key !== uncommittedKey());

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

  it('copies what was imported when it is told to, as long as it is what it was', async () => {
    const elsewhere = memoryStore({ name: 'elsewhere' });
    const importOne = async (key: string, bytes: string): Promise<void> => {
      await elsewhere.create(key, Buffer.from(bytes));
      const etag = (await elsewhere.head(key))?.etag ?? '';
      const entry = { address: `s3://elsewhere/${key}`, size: bytes.length, etag, mtime: 1, metadata: {}, contentType: 'text/plain' };
      sample.branches.get('dev')?.staged.set(`ext/${key}`, { ...entry, full: true });
    };
    await importOne('here.txt', 'here');
    await importOne('grown.txt', 'grown');
    await importOne('gone.txt', 'gone');
    sample.branches.get('dev')?.staged.set('ext/azure', {
      address: 'https://account.blob.core.windows.net/c/x',
      size: 1,
      etag: '',
      mtime: 1,
      metadata: {},
      contentType: '',
      full: true,
    });
    commit(sample, 'dev', 'import');
    await elsewhere.delete('gone.txt');
    await elsewhere.delete('grown.txt');
    await elsewhere.create('grown.txt', Buffer.from('grown since'));
    const services: Services = {
      ...harness.services,
      openObjects: async (url, options) =>
        url === 's3://elsewhere' ? objectsBelow(elsewhere, '') : ((await harness.services.openObjects?.(url, options)) as Objects),
    };
    const source = lakefsSource(harness.address({ external: 'copy' }), services);
    const manifest = await harness.backup(source);
    expect(detailsOf(manifest).copied).toMatchObject({ external: 4, externalCopied: 1 });
    expect(Object.values(manifest.notIncluded)).toContain('3');
    expect((await poolKeys()).filter((key) => key.startsWith('external/'))).toHaveLength(1);
    expect(detailsOf(await harness.backup(source)).copied).toMatchObject({ objects: 0, externalCopied: 1 });
    expect(detailsOf(await harness.backup(source, spent)).copied).toMatchObject({ objects: 0, externalCopied: 1 });

    await elsewhere.delete('here.txt');
    const clone = { repository: 'clone', namespace: 'local://clones/imported' };
    await harness.restore(lakefsTarget(harness.address(clone), services), manifest);
    expect(await elsewhere.head('here.txt')).toBeUndefined();
    const again = { repository: 'clone-2', namespace: 'local://clones/imported-2', external: 'copy' } as const;
    await harness.restore(lakefsTarget(harness.address(again), services), manifest);
    expect((await elsewhere.head('here.txt'))?.bytes).toBe(4);
    expect((await elsewhere.head('grown.txt'))?.bytes).toBe('grown since'.length);
    expect(existsSync(join(harness.folder, 'clones/imported-2/external'))).toBe(false);
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

  it('when it lies on Azure or Google Cloud Storage', async () => {
    for (const namespace of ['https://account.blob.core.windows.net/container/x', 'gs://bucket/x']) {
      harness.server.repositories.set('sample', { ...sample, namespace });
      expect((await harness.source().inspect()).problems).toMatchObject([
        { code: 'Unsupported', hint: expect.stringContaining('Azure Blob Storage and Google Cloud Storage are not') },
      ]);
      await expect(harness.backup()).rejects.toThrow(failed('SourceProblem', /not supported/));
    }
  });

  it('when a dump is torn twice; one torn asynchronous dump is repaired', async () => {
    harness.server.play.tornDumps = 1;
    expect(detailsOf(await harness.backup(harness.source({ dump: 'async' }))).counts.commits).toBe(5);
    harness.server.play.tornDumps = 2;
    await expect(harness.backup(harness.source({ dump: 'async' }))).rejects.toThrow(failed('RefsTorn', /branch trunk points to commit/));
  });

  it('when an asynchronous dump fails, or never ends', async () => {
    harness.server.play.dumpError = 'no space left';
    await expect(harness.backup(harness.source({ dump: 'async' }))).rejects.toThrow(
      failed('ServerFailed', /failed to dump .*no space left/),
    );
    harness.server.play.dumpError = undefined;
    harness.server.seen.length = 0;
    harness.server.play.tasksHang = true;
    const jump = setInterval(() => {
      if (harness.server.seen.some((line) => /^GET .*\/dump$/.test(line))) harness.skew = 11 * 60_000;
    }, 5);
    await expect(harness.backup(harness.source({ dump: 'async' })).finally(() => clearInterval(jump))).rejects.toThrow(
      failed('ServerFailed', /did not end within 10 minutes/),
    );
  });

  it('when garbage collection took an object meanwhile', async () => {
    const [name = ''] = readdirSync(join(sample.folder, 'data', sample.uid));
    rmSync(join(sample.folder, 'data', sample.uid, name));
    await expect(harness.backup()).rejects.toThrow(failed('ObjectMissing', new RegExp(name)));
  });

  it('when garbage collection runs between the dump and the copy', async () => {
    const source = harness.source();
    const collected: typeof source = {
      ...source,
      async open(id) {
        const at = await source.open?.(id);
        if (at === undefined) throw new Error('a lakeFS source opens its instant');
        rmSync(join(sample.folder, 'data'), { recursive: true });
        return at;
      },
    };
    await expect(harness.backup(collected)).rejects.toThrow(failed('ObjectMissing', /is named by the repository and is not there/));
    expect((await poolKeys()).filter((key) => key.startsWith('data/'))).toEqual([]);
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

  /** An object in the pool that is committed, or not yet: different stages copy them. */
  const victimOf = async (which: 'committed' | 'uncommitted'): Promise<string> =>
    `${SOURCE}/objects/${which === 'uncommitted' ? uncommittedKey() : (await committedKeys())[0]}`;

  it.each(['committed', 'uncommitted'] as const)(
    'when a %s object in the pool was lost since an earlier backup: it is copied again',
    async (which) => {
      await harness.backup();
      const before = await poolKeys();
      await harness.store.delete(await victimOf(which));
      expect(await poolKeys()).toHaveLength(before.length - 1);
      expect(detailsOf(await harness.backup()).copied.objects).toBe(which === 'committed' ? 1 : 0);
      expect(await poolKeys()).toEqual(before);
    },
  );

  it.each(['committed', 'uncommitted'] as const)('when a %s object in the pool has another size', async (which) => {
    await harness.backup();
    const victim = await victimOf(which);
    await harness.store.delete(victim);
    await harness.store.create(victim, Buffer.alloc(9999));
    await expect(harness.backup()).rejects.toThrow(failed('SourceChanged', /9999 bytes/));
  });

  it.each(['committed', 'uncommitted'] as const)('when a %s object in the pool has the size and other bytes', async (which) => {
    await harness.backup();
    const victim = await victimOf(which);
    const bytes = (await harness.store.head(victim))?.bytes ?? 0;
    await harness.store.delete(victim);
    await harness.store.create(victim, Buffer.alloc(bytes, 7));
    await expect(harness.backup()).rejects.toThrow(failed('SourceChanged', /other bytes/));
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

  it('looks at the objects of uncommitted changes, which no commit leads to', async () => {
    const manifest = await harness.backup();
    const address = uncommittedKey();
    await harness.store.delete(`${SOURCE}/objects/${address}`);
    const read = segmentSource(harness.store, backupPrefix(SOURCE, manifest.backup));
    const options = { budget: forever, bytes: true, read };
    const proof = await verifyPool(manifest, objectsBelow(harness.store, `${SOURCE}/objects/`), options);
    expect(proof.flaws).toEqual([{ key: address, message: 'the object is missing' }]);
    expect(proof.summary).toContain("read and compared with lakeFS's checksum");
  });

  it('names what is missing, and what has other bytes', async () => {
    const manifest = await harness.backup();
    const [first = '', second = ''] = await committedKeys();
    const size = (await harness.store.head(`${SOURCE}/objects/${second}`))?.bytes ?? 0;
    for (const key of [first, second]) await harness.store.delete(`${SOURCE}/objects/${key}`);
    await harness.store.create(`${SOURCE}/objects/${second}`, Buffer.alloc(size, 0));
    const proof = await prove(manifest);
    expect(proof.flaws.some(({ key, message }) => key === first && message.includes('missing'))).toBe(true);
    expect(proof.flaws.some(({ key, message }) => key === second && message.includes('md5'))).toBe(true);
  });

  it('takes checksums that are all none for those of an encrypted bucket', async () => {
    const made = harness.server.make('encrypted', 'local://repos/encrypted');
    for (const n of ['1', '2', '3'])
      made.branches.get('main')?.staged.set(n, { ...upload(made, Buffer.from(n)), etag: n.padStart(32, 'e') });
    commit(made, 'main', 'all');
    const proof = await prove(await harness.backup(harness.source({ repository: 'encrypted' })));
    expect(proof).toMatchObject({ read: 3, withoutMd5: 3, flaws: [] });
  });

  it('refuses a damaged metadata file', async () => {
    const manifest = await harness.backup();
    const key = `${SOURCE}/objects/_lakefs/${detailsOf(manifest).ids.commits_meta_range_id}`;
    await harness.store.delete(key);
    await expect(prove(manifest)).rejects.toThrow(failed('ObjectMissing'));
    expect(existsSync(sample.folder)).toBe(true);
  });
});
