import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judgeControl } from '../../../src/drill/control.ts';
import { judgeAudit } from '../../../src/drill/judge.ts';
import {
  addressFromUrl,
  type FolderAddress,
  isFolder,
  type MeilisearchAddress,
  redact,
  scratchOf,
} from '../../../src/sources/meilisearch/address.ts';
import { placeAt, writeMarker } from '../../../src/sources/meilisearch/folder/place.ts';
import { quietArchive } from '../../../src/sources/meilisearch/folder/quiet.ts';
import { meilisearchSource } from '../../../src/sources/meilisearch/source.ts';
import { meilisearchTarget } from '../../../src/sources/meilisearch/target.ts';
import { filesOf, tarOf } from '../../support/meilisearch-dumps.ts';
import { type MeilisearchServer, startMeilisearch } from '../../support/meilisearch-server.ts';
import { seedIndex } from '../../support/meilisearch-state.ts';
import { chunked } from './chunked.ts';
import {
  auditOf,
  type Backup,
  backUp,
  forever,
  none,
  type RestoreOptions,
  restoreContext,
  restoreInto,
  runStage,
  services,
} from './harness.ts';
import { program } from './program.ts';

const EXACT = '{"id":1,"big":9007199254740993,"one":1.0,"minus":-0.0,"text":"wonderful \\" } ] \\\\"}';

// Each test starts programs: on a busy machine that takes its time.
describe('the folder of a database', { timeout: 120_000 }, () => {
  let from: MeilisearchServer;
  let root: string;
  let backup: Backup;

  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'lifeboat-meili-'));
    from = await startMeilisearch();
    const films = Array.from({ length: 400 }, (_, n) => `{"id":${n},"title":"film ${n} wondrous${n}","year":${n}.0}`);
    seedIndex(from, 'films', 'id', films, { filterableAttributes: ['title'], sortableAttributes: ['year'] });
    seedIndex(from, 'exact', 'id', [EXACT]);
    seedIndex(from, 'empty', null, []);
    from.state.features['dynamicSearchRules'] = true;
    from.state.rules.set('pin', { uid: 'pin', active: true, lastUpdatedAt: '2026-11-21T02:27:33.5Z', conditions: {}, actions: [{ x: 1 }] });
    from.state.webhooks.set('7a2a4a3c-16a1-4a4b-8b1c-2f8a3c3f1a11', { url: 'http://hook', headers: {} });
    backup = await backUp(from, { sizes: { rangeBytes: 10_000, segmentRawBytes: 4_000 } });
  });
  afterEach(async () => {
    await from.stop();
    rmSync(root, { recursive: true, force: true });
  });

  const address = (more: Partial<FolderAddress> = {}): FolderAddress => {
    const made = addressFromUrl(new URL(`meilisearch+file://${root}/data.ms?binary=${more.binary ?? program(root)}`));
    if (!isFolder(made)) throw new Error('no folder');
    return { ...made, ...more };
  };
  const target = (at: MeilisearchAddress = address()) => meilisearchTarget(at, services);
  const audit = async (at: MeilisearchAddress, options: RestoreOptions = {}) => {
    const { digests, checks } = await auditOf(target(at), backup, options);
    return judgeAudit({ manifest: backup.manifest, digests, checks, assertions: [] });
  };
  const traced = () =>
    readFileSync(join(root, 'trace'), 'utf8')
      .trim()
      .split('\n')
      .map((line): { pid: number; arguments: string[]; env: Record<string, string> } => JSON.parse(line));
  const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);
  const left = () =>
    readdirSync(root)
      .filter((name) => name.startsWith('data.ms'))
      .sort();

  it('is a target and no source', async () => {
    expect(redact(address())).toBe(`meilisearch+file://${root}/data.ms`);
    expect(() => meilisearchSource(address(), services)).toThrow(expect.objectContaining({ code: 'Unsupported' }));
    for (const url of ['meilisearch+file:///', 'meilisearch+file:///a?x=1', 'meilisearch+file:///a?binary=relative'])
      expect(() => addressFromUrl(new URL(url)), url).toThrow(expect.objectContaining({ code: 'Usage' }));
  });

  it('is made by meilisearch --import-dump, and audited by starting it again', async () => {
    process.env['MEILI_DUMP_DIR'] = '/somewhere/else';
    const at = address({ binary: program(root, '--fake-trace', join(root, 'trace')) });
    expect(await target(at).inspect()).toMatchObject({ version: '1.50.0', empty: true, problems: [] });
    await restoreInto(target(at), backup);
    expect(left()).toEqual(['data.ms']);
    const result = await audit(at);
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.verdict).toBe('PASSED');
    expect(result.notMeasured).toEqual([]);
    expect(result.checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['rows of documents/films', 'content of rules', 'recorded searches that answer the same', 'webhooks']),
    );
    expect(left()).toEqual(['data.ms']);
    expect(traced()).toHaveLength(2);
    for (const { pid, arguments: given, env } of traced()) {
      expect(isAlive(pid)).toBe(false);
      expect(env['MEILI_MASTER_KEY']).toMatch(/^[0-9a-f]{48}$/);
      expect(given.join(' ')).not.toContain(env['MEILI_MASTER_KEY']);
      expect(env['MEILI_DUMP_DIR']).toBeUndefined();
    }
    delete process.env['MEILI_DUMP_DIR'];
  });

  it('is the same when each invocation has no time', async () => {
    const at = address({ binary: program(root, '--fake-import-ms', '400') });
    await restoreInto(target(at), backup, { budget: none });
    expect((await audit(at, { budget: none })).verdict).toBe('PASSED');
  });

  it('compares keys by value where the master key is given', async () => {
    const at = address({ apiKey: 'env:MASTER' });
    await restoreInto(target(at), backup);
    const { checks } = await auditOf(target(at), backup);
    expect(checks.find(({ name }) => name === 'master key')?.actual).toContain('the same');
  });

  it('is refused where something is, and names the path', async () => {
    mkdirSync(join(root, 'data.ms/lost+found'), { recursive: true });
    const there = { code: 'TargetNotEmpty', message: expect.stringContaining(join(root, 'data.ms')) };
    await expect(restoreInto(target(), backup)).rejects.toMatchObject(there);
    await expect(restoreInto(target(), backup, { overwrite: true })).rejects.toMatchObject({
      ...there,
      message: expect.stringContaining('no Meilisearch database'),
    });
    expect(left()).toEqual(['data.ms']);
    expect(readdirSync(join(root, 'data.ms'))).toEqual(['lost+found']);
    writeFileSync(join(root, 'file'), '');
    await expect(restoreInto(target({ ...address(), folder: join(root, 'file') }), backup)).rejects.toMatchObject({
      code: 'TargetNotEmpty',
    });
  });

  it('is replaced with --overwrite, or left as it was when the import fails', async () => {
    await restoreInto(target(), backup);
    const before = statSync(join(root, 'data.ms')).ino;
    await expect(restoreInto(target(), backup, { restore: 'other' })).rejects.toMatchObject({ code: 'TargetNotEmpty' });
    const broken = tarOf({ ...filesOf(6), 'indexes/films/documents.jsonl': '{"id":1}\n' });
    const load = (bytes: Buffer, overwrite: boolean, at = address()) =>
      target(at).loadArtifact(Readable.from([bytes], { objectMode: false }), { overwrite, signal: forever.signal, progress: () => {} });
    const refusing = program(root, '--fake-failure', 'no space left');
    await expect(load(broken, true, address({ binary: refusing }))).rejects.toMatchObject({
      code: 'RestoreFailed',
      message: expect.stringContaining('no space left'),
    });
    expect(statSync(join(root, 'data.ms')).ino).toBe(before);
    expect(left()).toEqual(['data.ms']);
    await restoreInto(target(), backup, { overwrite: true, restore: 'another' });
    expect(statSync(join(root, 'data.ms')).ino).not.toBe(before);
    expect((await audit(address())).verdict).toBe('PASSED');
  });

  it('is not made by an older program, by none, or by another', async () => {
    const old = address({ binary: program(root, '--fake-version', '1.49.3') });
    await expect(restoreInto(target(old), backup)).rejects.toMatchObject({
      code: 'TargetTooOld',
      message: expect.stringContaining('1.49.3'),
    });
    const none = address({ binary: join(root, 'no-such-program') });
    await expect(restoreInto(target(none), backup)).rejects.toMatchObject({
      code: 'TargetProblem',
      hint: expect.stringContaining('MEILISEARCH_BIN'),
    });
    expect((await target(none).inspect()).problems).toMatchObject([{ code: 'ProgramMissing' }]);
    await expect(restoreInto(target(address({ binary: '/bin/echo' })), backup)).rejects.toMatchObject({
      message: '/bin/echo is not meilisearch',
    });
    expect(left()).toEqual([]);
  });

  it('takes a file, or nothing of it', async () => {
    const tar = gunzipSync(backup.dump);
    const load = (bytes: Buffer) =>
      target().loadArtifact(Readable.from([bytes], { objectMode: false }), {
        overwrite: false,
        signal: forever.signal,
        progress: () => {},
      });
    await expect(load(tar.subarray(0, tar.length - 3000))).rejects.toMatchObject({ code: 'ArtifactInvalid' });
    expect(left()).toEqual([]);
    expect(await load(tar)).toMatchObject({ rows: '401' });
    expect((await audit(address())).verdict).toBe('PASSED');
    await expect(load(tar)).rejects.toMatchObject({ code: 'TargetNotEmpty' });
  });

  it('in a drill is made below the folder, damaged, and removed', async () => {
    const at = scratchOf(address(), 'lifeboat-drill-1');
    const options = { scratch: true };
    await restoreInto(target(at), backup, options);
    const good = await audit(at, options);
    expect(good.verdict).toBe('PASSED');
    expect(good.notMeasured.map(({ what }) => what)).toEqual(['webhooks']);
    const tampering = await target(at).tamper(backup.manifest, 5, forever);
    expect(judgeControl(tampering, await audit(at, options))).toMatchObject({ ok: true });
    await expect(target().tamper(backup.manifest, 5, forever)).rejects.toMatchObject({ code: 'TargetUnusable' });
    await runStage(target(scratchOf(address(), 'lifeboat-drill-2')).discard, restoreContext(backup, options));
    expect(readdirSync(join(root, 'data.ms')).sort()).toEqual(['lifeboat-drill-1', 'lifeboat-drill-1.lifeboat']);
    await runStage(target(at).discard, restoreContext(backup, options));
    await runStage(target(at).discard, restoreContext(backup, options));
    expect(readdirSync(join(root, 'data.ms'))).toEqual([]);
  });

  it('goes on after a function that was killed; its meilisearch died with it', async () => {
    const slow = program(root, '--fake-import-ms', '60000', '--fake-trace', join(root, 'trace'));
    const script = `
      import { startServer } from ${JSON.stringify(join(import.meta.dirname, '../../../src/sources/meilisearch/folder/server.ts'))};
      import { placeAt, writeMarker } from ${JSON.stringify(join(import.meta.dirname, '../../../src/sources/meilisearch/folder/place.ts'))};
      const place = placeAt(${JSON.stringify(join(root, 'data.ms'))});
      const marker = { restore: 'restore-1', scratch: null, server: null, imported: false };
      await writeMarker(place, marker);
      const server = await startServer({ place, program: { path: ${JSON.stringify(slow)}, version: '1' }, masterKey: 'k', importDump: ${JSON.stringify(slow)} });
      await writeMarker(place, { ...marker, server });
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], { stdio: ['ignore', 'ignore', 'inherit'] });
    while (!existsSync(join(root, 'data.ms/VERSION'))) await sleep(20);
    const [started] = traced();
    expect(isAlive(started?.pid ?? 0)).toBe(true);
    expect(await target().inspect()).toMatchObject({ empty: false, unfinished: 'restore-1' });
    await expect(restoreInto(target(), backup, { restore: 'other' })).rejects.toMatchObject({ code: 'TargetUnusable' });
    expect(isAlive(started?.pid ?? 0)).toBe(true);
    child.kill('SIGKILL');
    for (let look = 0; isAlive(started?.pid ?? 0) && look < 200; look++) await sleep(20);
    expect(isAlive(started?.pid ?? 0)).toBe(false);
    await restoreInto(target(), backup);
    expect((await audit(address())).verdict).toBe('PASSED');
  });

  it('does not keep what a function that was killed had begun, when the import then fails', async () => {
    const place = placeAt(join(root, 'data.ms'));
    await writeMarker(place, { restore: 'restore-1', scratch: null, server: null, imported: false });
    for (const name of ['tasks', 'indexes', 'auth']) mkdirSync(join(root, 'data.ms', name), { recursive: true });
    writeFileSync(join(root, 'data.ms/VERSION'), '1.50.0');
    const refusing = address({ binary: program(root, '--fake-failure', 'no space left') });
    await expect(restoreInto(target(refusing), backup)).rejects.toMatchObject({ code: 'RestoreFailed' });
    expect(left()).toEqual([]);
  });

  it('is audited once the tasks that waited in the dump have run', async () => {
    await restoreInto(target(), backup);
    const at = address({ binary: program(root, '--fake-waiting-ms', '1500') });
    expect((await audit(at)).verdict).toBe('PASSED');
    const stuck = address({ binary: program(root, '--fake-waiting-ms', '100000') });
    await expect(audit(stuck, { budget: none })).rejects.toMatchObject({
      code: 'SourceBusy',
      hint: expect.stringContaining('--only audit'),
    });
  });

  it('of a drill calls nobody, and runs nothing that waited', async () => {
    const task = (uid: number, status: string) =>
      JSON.stringify({ uid, indexUid: 'films', status, type: 'documentClear', enqueuedAt: 'x' });
    const loud = tarOf({
      ...filesOf(6),
      'webhooks.json': '{}',
      'network.json': '{}',
      'tasks/queue.jsonl': [task(0, 'succeeded'), task(1, 'enqueued'), task(2, 'processing')].join('\n'),
      'tasks/update_files/1.jsonl': '{"id":7}',
    });
    const quiet = Buffer.concat(await Array.fromAsync(quietArchive(chunked(loud))));
    expect(quiet.toString('latin1')).not.toMatch(/webhooks|network|update_files|"enqueued"|processing/);
    expect(quiet.toString('latin1')).toContain('"status":"succeeded"');
    expect(quiet.includes(Buffer.from(String(filesOf(6)['indexes/films/documents.jsonl'])))).toBe(true);
  });
});
