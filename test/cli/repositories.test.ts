import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backupPrefix, manifestKey } from '../../src/backup/layout.ts';
import { encodeManifest } from '../../src/backup/manifest.ts';
import { LifeboatError } from '../../src/errors.ts';
import type { System } from '../../src/sources/system.ts';
import { type LakefsServer, startLakefsServer } from '../support/lakefs-server.ts';
import { ID, lifeboat, putBackup, storeIn, temporaryFolder } from './support.ts';

let folder: string;
let server: LakefsServer;

beforeEach(async () => {
  folder = await temporaryFolder();
  server = await startLakefsServer(folder);
  for (const id of ['one', 'two', 'lifeboat-drill-x']) server.make(id, `local://${id}`);
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const at = () => ['--store', `file://${folder}/store`];
const url = (path = ''): string => {
  const { accessKeyId, secretAccessKey, endpoint } = server;
  return `lakefs+http://${accessKeyId}:${encodeURIComponent(secretAccessKey)}@${new URL(endpoint).host}${path}`;
};
const EXECUTION = 'arn:aws:states:local:0:execution:backup:1';

describe('backup --all', () => {
  it('backs up every repository of a server, goes on after one that fails, and ends with its code', async () => {
    const asked: string[] = [];
    const backup = async ({ source }: { readonly source: string }) => {
      asked.push(source);
      if (source === 'lakefs-one') throw new LifeboatError('LeaseHeld', 'another backup runs', { hint: 'Wait.' });
      return { source, backup: ID, already: true, execution: EXECUTION };
    };
    const ran = await lifeboat(['backup', '--all', '--from', url(), ...at(), '--json'], { engine: { backup } });
    expect(asked).toEqual(['lakefs-one', 'lakefs-two']);
    expect(ran.code).toBe(11);
    expect(ran.json()).toEqual({
      backups: [{ source: 'lakefs-two', backup: ID, already: true, execution: EXECUTION }],
      failed: [{ name: 'lakefs-one', error: { code: 'LeaseHeld', message: 'another backup runs', hint: 'Wait.' } }],
    });
    expect(ran.out + ran.err).not.toContain('lab/secret');
  });

  it('tells each to commit first', async () => {
    const made: unknown[] = [];
    const ran = await lifeboat(['backup', '--all', '--commit', '--from', url(), ...at()], {
      makeEngine: async ({ environment }) => {
        made.push(...Object.values(environment?.sources ?? {}).map(({ address }) => address));
        throw new LifeboatError('Unsupported', 'seen enough');
      },
    });
    expect(ran.code).toBe(1);
    expect(made).toMatchObject([
      { repository: 'one', uncommitted: 'commit' },
      { repository: 'two', uncommitted: 'commit' },
    ]);
  });

  it('is refused where it makes no sense', async () => {
    for (const [argv, message] of [
      [['backup', '--all', '--from', url('/one'), ...at()], 'names a repository'],
      [['backup', '--all', '--from', 'postgres://h/d', ...at()], 'there is no --all of it'],
      [['backup', 'one', '--all', ...at()], 'exclude each other'],
      [['backup', '--commit', '--from', 'postgres://h/d', ...at()], '--commit is not for sources of kind postgres'],
      [['backup', '--remove-source', '--from', 'juicefs+redis://h/1', ...at()], '--remove-source is not for sources of kind juicefs'],
    ] as const) {
      const ran = await lifeboat(argv);
      expect(ran.err).toContain(message);
      expect(ran.code).toBe(2);
    }
  });
});

describe('backup --remove-source', () => {
  const run = async (already: boolean, damage: () => Promise<void> = async () => {}) => {
    const store = await storeIn(join(folder, 'store'));
    await putBackup(store, { source: 'lakefs-one' });
    await damage();
    const removed: string[] = [];
    const ran = await lifeboat(['backup', '--remove-source', '--from', url('/one'), ...at(), '--json'], {
      engine: {
        backup: async ({ source }) => ({ source, backup: ID, already, execution: EXECUTION }),
        removeSource: async ({ source, backup }) => {
          removed.push(`${source} ${backup}`);
          return 'repository one';
        },
      },
    });
    return { ran, removed };
  };

  it('removes what was backed up once the backup is verified, and says so', async () => {
    const { ran, removed } = await run(false);
    expect({ code: ran.code, removed, said: ran.json()['removed'] }).toEqual({
      code: 0,
      removed: [`lakefs-one ${ID}`],
      said: 'repository one',
    });
  });

  it('removes nothing when a byte of the backup is gone', async () => {
    const { ran, removed } = await run(false, async () => {
      const store = await storeIn(join(folder, 'store'));
      for await (const { key } of store.list(`${backupPrefix('lakefs-one', ID)}segments/`)) {
        await store.delete(key);
        break;
      }
    });
    expect({ code: ran.code, removed }).toEqual({ code: 14, removed: [] });
    expect(ran.json()).toMatchObject({ error: { code: 'SegmentMismatch', message: expect.stringContaining('nothing was removed') } });
  });

  it('removes nothing for a backup of before', async () => {
    const { ran, removed } = await run(true);
    expect({ code: ran.code, removed }).toEqual({ code: 1, removed: [] });
  });
});

describe('restore --manifest', () => {
  const id = 'a'.repeat(64);
  const refs = { branches_meta_range_id: id, commits_meta_range_id: id, tags_meta_range_id: id };
  const script = (name: string) =>
    JSON.stringify({
      repository: { name, storage_namespace: `s3://b/${name}`, default_branch: 'main', storage_id: '7' },
      refs,
    });
  const run = async (argv: readonly string[], files: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const loaded: { readonly address: System['address']; readonly text: string }[] = [];
    const ran = await lifeboat(['restore', ...argv, '--json'], {
      cwd: folder,
      engine: {
        load: async ({ address }, input) => {
          loaded.push({ address, text: Buffer.concat(await input.toArray()).toString() });
          return { rows: '3', bytes: 1, checks: [] };
        },
      },
    });
    return { ran, loaded };
  };

  it('restores each to where it says, and goes on after one that is none', async () => {
    const files = { 'a.json': script('aaa'), 'b.json': '{"x": 1}', 'c.json': script('ccc') };
    const { ran, loaded } = await run(['--manifest', 'a.json', 'b.json', 'no.json', 'c.json', '--to', url(), '--ignore-storage-id'], files);
    expect(loaded).toMatchObject([
      { address: { repository: 'aaa', storageId: '', endpoint: server.endpoint }, text: files['a.json'] },
      { address: { repository: 'ccc', storageId: '' }, text: files['c.json'] },
    ]);
    expect(ran.code).toBe(14);
    expect(ran.json()).toMatchObject({
      manifests: [
        { file: 'a.json', ok: true, rows: '3' },
        { file: 'c.json', ok: true },
      ],
      failed: [
        { name: 'b.json', error: { code: 'ArtifactInvalid' } },
        { name: 'no.json', error: { code: 'Usage' } },
      ],
    });
  });

  it('takes one of lakectl where --to says the rest', async () => {
    const files = { 'l.json': JSON.stringify(refs) };
    const { ran, loaded } = await run(['--manifest', 'l.json', '--to', `${url('/copy')}?namespace=s3://c/copy`], files);
    expect(ran.code).toBe(0);
    expect(loaded).toMatchObject([{ address: { repository: 'copy', namespace: 's3://c/copy' } }]);
    expect(ran.out).not.toContain('lab/secret');
    expect((await run(['--manifest', 'l.json', '--to', url()], files)).ran).toMatchObject({ code: 2 });
  });

  it('is refused where it makes no sense', async () => {
    const files = { 'a.json': script('aaa') };
    for (const [argv, message] of [
      [['--manifest', 'a.json', 'a.json', '--to', url('/one')], 'several manifests'],
      [['--manifest', 'a.json', '--store', 'file:///x'], 'exclude each other'],
      [['--manifest', 'a.json', '--to', 'postgres://h/d'], 'no manifest that this server takes'],
      [['--ignore-storage-id', 'latest'], 'needs --manifest'],
      [[], 'restore needs one <backup>'],
      [['latest', 'latest'], 'restore needs one <backup>'],
    ] as const) {
      const { ran, loaded } = await run(argv, files);
      expect(JSON.stringify(ran.json())).toContain(message);
      expect(loaded).toEqual([]);
    }
  });
});

describe('list and show', () => {
  it('speak in the words of lakeFS, beside backups that have none', async () => {
    const store = await storeIn(join(folder, 'store'));
    const manifest = await putBackup(store, { source: 'catalog' });
    const details = {
      counts: { branches: 2, tags: 1, commits: 1300 },
      copied: { listed: 13, listedBytes: 3 * 1024 * 1024 },
      uncommitted: 1,
    };
    const lake = { ...manifest, source: { ...manifest.source, name: 'lake', kind: 'lakefs' }, details };
    await store.create(manifestKey('lake', ID), encodeManifest(lake));
    const words = '2 branches, 1 tag, 1,300 commits, 0 objects, 1 uncommitted change';
    const listed = await lifeboat(['list', ...at()]);
    const lines = listed.out.split('\n');
    expect(lines[0]).toMatch(/PROOF +HOLDS/);
    expect(lines[1]).toMatch(/catalog .* never drilled$/);
    expect(lines[2]).toMatch(new RegExp(`lake +3\\.0 MiB .* never drilled +${words}$`));
    const shown = await lifeboat(['show', 'latest', '--source', 'lake', ...at()]);
    expect(shown.out).toContain('3.0 MiB in 13 objects, shared by the backups of this source');
    expect(shown.out).toContain(words);
    const json = (await lifeboat(['show', 'latest', '--source', 'lake', ...at(), '--json'])).json();
    expect(json['holds']).toEqual({ words, poolObjects: 13, poolBytes: 3 * 1024 * 1024 });
  });
});
