import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backupPrefix } from '../../../src/backup/layout.ts';
import { segmentSource } from '../../../src/backup/segments.ts';
import type { Manifest } from '../../../src/backup/types.ts';
import { homeOf, listRepositories } from '../../../src/sources/lakefs/members.ts';
import { encodeLakectl, encodeScript } from '../../../src/sources/lakefs/refs.ts';
import { commit, type Repository, upload } from '../../support/lakefs-repository.ts';
import { fill, forever, type Harness, openHarness, SOURCE } from './harness.ts';

let harness: Harness;
let sample: Repository;

beforeEach(async () => {
  harness = await openHarness();
  sample = fill(harness);
});
afterEach(() => harness.close());

const failed = (code: string, message: RegExp) => expect.objectContaining({ code, message: expect.stringMatching(message) });
const serverUrl = (): URL => {
  const { endpoint, accessKeyId, secretAccessKey } = harness.server;
  const url = new URL(`lakefs+${endpoint}`);
  return new URL(`lakefs+http://${accessKeyId}:${encodeURIComponent(secretAccessKey)}@${url.host}/?localPath=${harness.folder}`);
};

describe('a server', () => {
  it('has its repositories, and those of drills are none', async () => {
    harness.server.make('another', 'local://repos/another');
    harness.server.make('lifeboat-drill-x', 'local://drills/x');
    const found = await Array.fromAsync(listRepositories(serverUrl(), harness.services));
    expect(found.map(({ repository }) => repository)).toEqual(['another', 'sample']);
    expect(found[0]).toMatchObject({ localPath: harness.folder, accessKeyId: harness.server.accessKeyId });
  });

  it('is not a repository', async () => {
    const url = serverUrl();
    url.pathname = '/sample';
    await expect(Array.fromAsync(listRepositories(url, harness.services))).rejects.toThrow(failed('Usage', /names a repository/));
  });
});

describe('the home of a manifest', () => {
  const id = 'a'.repeat(64);
  const ids = { branches_meta_range_id: id, commits_meta_range_id: id, tags_meta_range_id: id };
  const repository = { name: 'sample', namespace: 's3://b/sample', defaultBranch: 'main', storageId: 'two' };
  const script = encodeScript({ ids, repository });
  const keep = { ignoreStorageId: false };

  it('is what it says, on the server of the URL, or of lakectl', () => {
    expect(homeOf(script, undefined, keep)).toMatchObject({ repository: 'sample' });
    expect(homeOf(script, undefined, keep)).not.toHaveProperty('endpoint');
    expect(homeOf(script, new URL('lakefs+https://host'), keep)).toMatchObject({ repository: 'sample', endpoint: 'https://host' });
    expect(homeOf(script, undefined, { ignoreStorageId: true }).storageId).toBe('');
  });

  it('is what the URL says where it names one', () => {
    const to = new URL('lakefs+https://host/copy?namespace=s3://c/copy');
    for (const manifest of [script, encodeLakectl(ids)])
      expect(homeOf(manifest, to, keep)).toMatchObject({ repository: 'copy', namespace: 's3://c/copy' });
  });

  it('is not known of one by lakectl, which has no name in it', () => {
    expect(() => homeOf(encodeLakectl(ids), new URL('lakefs+https://host'), keep)).toThrow(failed('Usage', /does not name its repository/));
    const odd = encodeScript({ ids, repository: { ...repository, name: '../up' } });
    expect(() => homeOf(odd, undefined, keep)).toThrow(failed('ArtifactInvalid', /would not take/));
  });
});

describe('removing the source', () => {
  const remove = async (
    changes?: Parameters<Harness['source']>[0],
    after: () => void = () => {},
    told: (manifest: Manifest) => Manifest = (manifest) => manifest,
  ): Promise<string> => {
    const source = harness.source(changes);
    const manifest = told(await harness.backup(source));
    after();
    const read = segmentSource(harness.store, backupPrefix(SOURCE, manifest.backup));
    const removed = await source.remove?.(manifest, read, forever.signal);
    return removed ?? 'nothing';
  };
  const kept = () => expect(harness.server.repositories.has('sample')).toBe(true);

  it('says what was removed, and where the objects stay', async () => {
    expect(await remove()).toMatch(/^repository sample at http:.*; its objects stay in local:\/\/repos\/sample$/);
    expect(harness.server.repositories.has('sample')).toBe(false);
  });

  const since: Readonly<Record<string, [() => void, RegExp]>> = {
    'a commit': [() => void commit(sample, 'dev', 'late'), /branch dev points to/],
    'a tag': [() => void sample.tags.set('v9', sample.tags.get('v1.0') ?? ''), /tag v9 points to/],
    'a branch': [
      () => void sample.branches.set('late', { commit: sample.branches.get('dev')?.commit ?? '', hidden: true, staged: new Map() }),
      /branch late points to/,
    ],
    'an upload': [() => void sample.branches.get('dev')?.staged.set('late.txt', upload(sample, Buffer.from('late'))), /late\.txt/],
    'a deletion': [() => void sample.branches.get('dev')?.staged.set('dev/new.txt', null), /dev\/new\.txt/],
    'a setting': [() => void (sample.metadata = { owner: 'you' }), /settings \(metadata\)/],
  };
  for (const [name, [happen, message]] of Object.entries(since))
    it(`removes nothing when there was ${name} since`, async () => {
      await expect(remove({}, happen)).rejects.toThrow(failed('SourceChanged', message));
      kept();
    });

  it('removes nothing where changes were left out of the backup', async () => {
    await expect(remove({ uncommitted: 'leave' })).rejects.toThrow(failed('SourceChanged', /uncommitted change/));
    kept();
  });

  it('removes nothing that is read-only, or another repository of that name', async () => {
    await expect(remove({}, () => harness.server.repositories.set('sample', { ...sample, readOnly: true }))).rejects.toThrow(
      failed('PermissionDenied', /read-only/),
    );
    await expect(
      remove({}, () => harness.server.repositories.set('sample', { ...sample, namespace: 'local://repos/sample/' })),
    ).rejects.toThrow(failed('SourceChanged', /is not the repository/));
    kept();
  });

  it('removes nothing when the backup is of the same repository on another server', async () => {
    const elsewhere = (manifest: Manifest): Manifest => ({ ...manifest, source: { ...manifest.source, place: 'https://other/sample' } });
    await expect(remove({}, undefined, elsewhere)).rejects.toThrow(failed('SourceChanged', /is not the repository/));
    kept();
  });
});
