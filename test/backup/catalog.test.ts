import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { type CatalogEntry, findBackup, latest, listBackups, listSources } from '../../src/backup/catalog.ts';
import { backupPrefix, manifestKey, proofKey } from '../../src/backup/layout.ts';
import { encodeManifest } from '../../src/backup/manifest.ts';
import { encodeProof } from '../../src/backup/proof.ts';
import type { BackupId, Verdict } from '../../src/backup/types.ts';
import { LifeboatError } from '../../src/errors.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import type { Store } from '../../src/stores/store.ts';
import { exampleManifest, exampleProof, idAt } from './examples.ts';

const day = (n: number): string => `2026-11-${String(n).padStart(2, '0')}T01:30:00.000Z`;
const [ONE, TWO, THREE] = [1, 2, 3].map((n) => idAt(day(n))) as [BackupId, BackupId, BackupId];

let store: Store;
beforeEach(() => {
  store = memoryStore();
});

const put = (key: string, text: string | Uint8Array): Promise<unknown> => store.create(key, Buffer.from(text));

const seal = async (source: string, n: number): Promise<void> => {
  await put(`${backupPrefix(source, idAt(day(n)))}RESTORE.md`, '# Restore\n');
  await put(`${backupPrefix(source, idAt(day(n)))}segments/000000.0000-abababab.sql.zst`, 'x');
  await put(manifestKey(source, idAt(day(n))), encodeManifest(exampleManifest(source, idAt(day(n)), day(n))));
};

const drill = async (source: string, n: number, verdict: Verdict, endedDay: number): Promise<void> => {
  const id = idAt(day(endedDay));
  await put(proofKey(source, idAt(day(n)), id, 'json'), encodeProof(exampleProof(source, idAt(day(n)), id, verdict, day(endedDay))));
  await put(proofKey(source, idAt(day(n)), id, 'html'), '<!doctype html>');
};

const list = async (source?: string): Promise<CatalogEntry[]> => Array.fromAsync(listBackups(store, source));

describe('listBackups', () => {
  it('lists sealed backups, the newest last, with what their manifests say', async () => {
    await seal('files', 2);
    await seal('files', 1);
    const bytes = encodeManifest(exampleManifest('files', ONE, day(1)));
    expect(await list('files')).toMatchObject([
      {
        state: 'sound',
        source: 'files',
        backup: ONE,
        recordedAt: day(1),
        bytes: 200,
        rows: '3',
        proof: { state: 'never' },
        manifestSha256: createHash('sha256').update(bytes).digest('hex'),
      },
      { backup: TWO },
    ]);
  });

  it('lists every source, one after the other', async () => {
    await seal('b', 1);
    await seal('a', 2);
    await seal('a-b', 1);
    expect((await list()).map(({ source }) => source)).toEqual(['a-b', 'a', 'b']);
    expect(await listSources(store)).toEqual(['a', 'a-b', 'b']);
  });

  it('does not list a backup without a manifest', async () => {
    await seal('files', 1);
    await put(`${backupPrefix('files', TWO)}RESTORE.md`, '#');
    await put(`${backupPrefix('files', TWO)}segments/000000.0000-abababab.sql.zst`, 'x');
    await put(`${backupPrefix('half', TWO)}receipts/dump.000000.0000.json`, '{}');
    expect((await list()).map(({ backup }) => backup)).toEqual([ONE]);
    expect(await listSources(store)).toEqual(['files']);
  });

  it('ignores whatever else lies there', async () => {
    await seal('files', 1);
    for (const key of [
      'lifeboat.json',
      'files/backups/README',
      'files/backups/latest/manifest.json',
      `files/backups/${TWO}`,
      `files/backups/${TWO}x/manifest.json`,
      `files/backups/${ONE}/0-first`,
      `files/backups/${ONE}/manifest.json.bak`,
      `files/backups/${ONE}/zzz/manifest.json`,
      `files/proofs/${ONE}/deep/er.json`,
      'files/proofs/stray.json',
      '.control/files/lease.json',
      'Not_A_Source/backups/x/manifest.json',
    ])
      await put(key, 'anything');
    expect(await list()).toMatchObject([{ backup: ONE, state: 'sound', proof: { state: 'never' } }]);
  });

  it('lists a broken manifest with its problem, and goes on', async () => {
    await seal('files', 1);
    await put(manifestKey('files', TWO), '{"formatVersion":1');
    await seal('files', 3);
    const entries = await list('files');
    expect(entries.map(({ state }) => state)).toEqual(['sound', 'broken', 'sound']);
    expect(entries[1]).toMatchObject({ backup: TWO, recordedAt: day(2), problem: { code: 'ManifestInvalid' } });
    expect(entries[1]).not.toHaveProperty('manifest');
  });

  it('tells a manifest of another source, of another backup, and of a newer format', async () => {
    await put(manifestKey('files', ONE), encodeManifest(exampleManifest('other', ONE, day(1))));
    await put(manifestKey('files', TWO), encodeManifest(exampleManifest('files', ONE, day(1))));
    await put(manifestKey('files', THREE), '{"formatVersion":2}');
    const problems = (await list('files')).map((entry) =>
      entry.state === 'broken' ? `${entry.problem.code} ${entry.problem.message}` : 'sound',
    );
    expect(problems).toMatchObject([
      expect.stringContaining('ManifestInvalid the manifest cannot be trusted: source.name'),
      expect.stringContaining('ManifestInvalid the manifest cannot be trusted: backup'),
      expect.stringContaining('FormatTooNew'),
    ]);
  });

  it('fails when the store does, instead of calling a backup broken', async () => {
    await seal('files', 1);
    const failing: Store = {
      ...store,
      // biome-ignore lint/correctness/useYield: it fails before the first byte
      async *read() {
        throw new LifeboatError('StoreUnavailable', 'no answer');
      },
    };
    await expect(Array.fromAsync(listBackups(failing, 'files'))).rejects.toThrow('no answer');
  });

  it('passes over a backup that is pruned while it lists', async () => {
    await seal('files', 1);
    await seal('files', 2);
    const pruning: Store = {
      ...store,
      read(key, options) {
        return (async function* () {
          if (key === manifestKey('files', ONE)) await store.delete(key);
          yield* store.read(key, options);
        })();
      },
    };
    expect((await Array.fromAsync(listBackups(pruning, 'files'))).map(({ backup }) => backup)).toEqual([TWO]);
  });

  it('does not list all segments of large backups', async () => {
    for (const n of [1, 2]) {
      await seal('files', n);
      for (let i = 0; i < 3000; i++)
        await put(`${backupPrefix('files', idAt(day(n)))}segments/${String(i).padStart(6, '0')}.0001-abababab.zst`, 'x');
    }
    await seal('files', 3);
    let listed = 0;
    const counting: Store = {
      ...store,
      async *list(prefix, options) {
        for await (const object of store.list(prefix, options)) {
          listed += 1;
          yield object;
        }
      },
    };
    expect((await Array.fromAsync(listBackups(counting, 'files'))).map(({ backup }) => backup)).toEqual([ONE, TWO, THREE]);
    expect(listed).toBeLessThan(2100);
  });

  it('does not skip a source whose name follows on that of a large one', async () => {
    for (const source of ['a', 'a-', 'a0', 'a00', 'b']) await seal(source, 1);
    for (let i = 0; i < 1500; i++) await put(`${backupPrefix('a', ONE)}segments/${String(i).padStart(6, '0')}.0001-abababab.zst`, 'x');
    expect(await listSources(store)).toEqual(['a', 'a-', 'a0', 'a00', 'b']);
  });

  it('finds the manifest behind a page of strange objects', async () => {
    await seal('files', 1);
    for (let i = 0; i < 1500; i++) await put(`${backupPrefix('files', ONE)}a/${String(i).padStart(6, '0')}`, 'x');
    expect(await list('files')).toMatchObject([{ backup: ONE, state: 'sound' }]);
  });
});

describe('the proof state of a backup', () => {
  it('is that of the newest drill', async () => {
    await seal('files', 1);
    await drill('files', 1, 'FAILED', 4);
    await drill('files', 1, 'PASSED', 5);
    expect((await list())[0]?.proof).toEqual({ state: 'PASSED', at: day(5), drill: idAt(day(5)), passedAt: day(5) });
  });

  it('remembers that an earlier one passed', async () => {
    await seal('files', 1);
    await drill('files', 1, 'PASSED', 4);
    await drill('files', 1, 'NOT_MEASURED', 5);
    expect((await list())[0]?.proof).toEqual({ state: 'NOT_MEASURED', at: day(5), drill: idAt(day(5)), passedAt: day(4) });
  });

  it('does not believe a damaged proof, nor one of another backup, and names them', async () => {
    await seal('files', 1);
    await drill('files', 1, 'FAILED', 4);
    const stolen = proofKey('files', ONE, idAt(day(5)), 'json');
    await put(stolen, encodeProof(exampleProof('files', TWO, idAt(day(5)), 'PASSED', day(5))));
    const damaged = proofKey('files', ONE, idAt(day(6)), 'json');
    await put(damaged, '{}');
    expect((await list())[0]?.proof).toEqual({ state: 'FAILED', at: day(4), drill: idAt(day(4)), damaged: [damaged, stolen] });
  });

  it('is of its own source', async () => {
    await seal('a', 1);
    await seal('b', 1);
    await drill('a', 1, 'PASSED', 4);
    expect((await list()).map(({ proof }) => proof.state)).toEqual(['PASSED', 'never']);
  });
});

describe('findBackup and latest', () => {
  it('find by id, and the newest', async () => {
    await seal('files', 1);
    await seal('files', 2);
    await drill('files', 2, 'PASSED', 4);
    expect(await findBackup(store, ONE)).toMatchObject({ backup: ONE, source: 'files' });
    expect(await findBackup(store, 'latest')).toMatchObject({ backup: TWO, proof: { state: 'PASSED' } });
    expect(await latest(store, 'files')).toMatchObject({ backup: TWO, proof: { state: 'PASSED' } });
    expect(await latest(store, 'nothing')).toBeUndefined();
  });

  it.each(['latest', ONE, 'x', '..', '../../etc/passwd'])('fail with NoSuchBackup on %s when it is not there', async (id) => {
    await expect(findBackup(store, id, 'files')).rejects.toMatchObject({ code: 'NoSuchBackup' });
    await expect(findBackup(store, id)).rejects.toMatchObject({ code: 'NoSuchBackup' });
  });

  it('ask which source is meant when it could be two', async () => {
    await seal('a', 1);
    await seal('b', 1);
    await expect(findBackup(store, 'latest')).rejects.toMatchObject({ code: 'Usage', message: expect.stringContaining('a, b') });
    await expect(findBackup(store, ONE)).rejects.toMatchObject({ code: 'Usage', message: expect.stringContaining('a and b') });
    expect(await findBackup(store, 'latest', 'b')).toMatchObject({ source: 'b' });
  });

  it('never take an older backup for the newest, and name the one that is good', async () => {
    await seal('files', 1);
    await put(manifestKey('files', TWO), 'broken');
    await expect(findBackup(store, 'latest', 'files')).rejects.toMatchObject({
      code: 'ManifestInvalid',
      message: expect.stringContaining(TWO),
      hint: expect.stringContaining(ONE),
    });
    expect(await latest(store, 'files')).toMatchObject({ backup: ONE });
  });
});
