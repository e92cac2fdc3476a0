import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { judgeControl } from '../../../src/drill/control.ts';
import { judgeAudit } from '../../../src/drill/judge.ts';
import { type InstanceAddress, type MeilisearchAddress, MeilisearchAddressSchema } from '../../../src/sources/meilisearch/address.ts';
import { enqueue } from '../../../src/sources/meilisearch/api.ts';
import { checkDump } from '../../../src/sources/meilisearch/dump/check.ts';
import { readGzip } from '../../../src/sources/meilisearch/dump/gzip-read.ts';
import { readWhole } from '../../../src/sources/meilisearch/dump/lines.ts';
import { readTar } from '../../../src/sources/meilisearch/dump/tar-read.ts';
import { upgradeDump } from '../../../src/sources/meilisearch/dump/upgrade/upgrade.ts';
import { placeAt } from '../../../src/sources/meilisearch/folder/place.ts';
import { findProgram } from '../../../src/sources/meilisearch/folder/program.ts';
import { withServer } from '../../../src/sources/meilisearch/folder/server.ts';
import { mustEnd } from '../../../src/sources/meilisearch/marker.ts';
import { meilisearchTarget } from '../../../src/sources/meilisearch/target.ts';
import { DOCUMENTS, dumpOf } from '../../support/meilisearch-dumps.ts';
import { chunked } from './chunked.ts';
import {
  auditOf,
  type Backup,
  backUpAt,
  forever,
  MASTER_KEY,
  type RestoreOptions,
  restoreContext,
  restoreInto,
  runStage,
  services,
} from './harness.ts';
import { lookAt, type RealServer, seedReal, startReal } from './real.ts';

/** The path of a real `meilisearch` program: LIFEBOAT_TEST_MEILISEARCH=/path/of/meilisearch. Without it this is skipped. */
const binary = process.env['LIFEBOAT_TEST_MEILISEARCH'] ?? '';

const filesIn = async (dump: Buffer, wanted: RegExp): Promise<Map<string, string>> => {
  const files = new Map<string, string>();
  for await (const { path, body } of readTar(readGzip(chunked(dump, 65_536))))
    if (wanted.test(path)) files.set(path, (await readWhole(body, path, 1e9)).toString('utf8'));
  return files;
};

describe.skipIf(!binary.startsWith('/'))('a real Meilisearch', { timeout: 180_000 }, () => {
  let from: RealServer;
  let backup: Backup;
  const others: RealServer[] = [];

  beforeAll(async () => {
    from = await startReal(binary);
    await from.use(seedReal);
    backup = await backUpAt(from.address);
  }, 180_000);
  afterEach(async () => {
    for (const other of others.splice(0)) await other.remove();
  });
  afterAll(() => from.remove());

  const start = async (dump?: Buffer, masterKey?: string): Promise<RealServer> => {
    const server = await startReal(binary, dump, masterKey);
    others.push(server);
    return server;
  };
  const audit = async (address: MeilisearchAddress, of: Backup, options: RestoreOptions = {}) => {
    const { digests, checks } = await auditOf(meilisearchTarget(address, services), of, options);
    return judgeAudit({ manifest: of.manifest, digests, checks, assertions: [] });
  };
  const folder = (server: RealServer, more: object = {}): MeilisearchAddress =>
    MeilisearchAddressSchema.parse({ folder: `${server.database}-restored`, binary, inlineApiKey: MASTER_KEY, ...more });
  const idle = (server: RealServer) =>
    server.use(async (client) => {
      for (;;) {
        const { total } = JSON.parse((await client.request('GET', '/tasks?statuses=enqueued,processing')).bytes.toString('utf8'));
        if (total === 0) return;
      }
    });

  it('is read into a dump whose documents are those of its own dump, byte for byte', async () => {
    await from.use(async (client) => mustEnd(client, [await enqueue(client, 'POST', '/dumps')], forever));
    const [name = ''] = readdirSync(from.dumpDirectory);
    const documents = /^indexes\/[^.].*\/documents\.jsonl$/;
    const own = await filesIn(readFileSync(join(from.dumpDirectory, name)), documents);
    // Whole numbers of vectors have a fraction there, and none in an answer; they are 32-bit floats either way.
    expect(await filesIn(backup.dump, /^indexes\/(films|books|empty)\/documents\.jsonl$/)).toEqual(
      new Map([...own].filter(([path]) => !path.includes('vectors'))),
    );
    const numbers = (text = '') => text.replace(/(?<=[[,]\d+)\.0(?=[,\]])/g, '');
    const path = 'indexes/vectors/documents.jsonl';
    expect(numbers((await filesIn(backup.dump, documents)).get(path))).toBe(numbers(own.get(path)));
    expect(backup.manifest.pointInTime.consistency).toBe('quiesced');
  });

  it('imports the artifact as it lies in the store, and answers the same', async () => {
    const to = await start(backup.dump);
    await idle(to);
    const [expected, found] = [await from.use(lookAt), await to.use(lookAt)];
    for (const name of Object.keys(expected))
      if (!/^(settings of vectors|chats|webhooks)$/.test(name)) expect([name, found[name]]).toEqual([name, expected[name]]);
    // Redacted secrets are not in a dump over HTTP.
    const without = (value: unknown) =>
      JSON.parse(JSON.stringify(value, (key, item) => (/^(apiKey|Authorization)$/.test(key) ? undefined : item)));
    for (const name of ['settings of vectors', 'chats', 'webhooks'])
      expect([name, without(found[name])]).toEqual([name, without(expected[name])]);
    expect((await audit(to.address, backup)).checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  it.each([1, 2, 3, 4, 5] as const)('imports an upgraded dump of version %i in one step', async (version) => {
    const { tar } = await upgradeDump(() => chunked(dumpOf(version)), {
      now: new Date('2026-11-21T00:00:00Z'),
      newUid: () => 'b9a6f269-7920-4047-92c3-4fb56f58db37',
    });
    const to = await start(gzipSync(Buffer.concat(await Array.fromAsync(tar))));
    await idle(to);
    await to.use(async (client) => {
      const text = async (path: string) => (await client.request('GET', path)).bytes.toString('utf8');
      const page = await text('/indexes/films/documents?limit=100');
      const expected = DOCUMENTS.trim().split('\n');
      expect(page.slice(0, expected.join(',').length + 12)).toBe(`{"results":[${expected.join(',')}`);
      // What waited in the old instance was done by the new one; version 1 never had its documents.
      expect(JSON.parse(page).total).toBe(version === 1 ? 2 : 4);
      const settings = JSON.parse(await text('/indexes/films/settings'));
      expect(settings.rankingRules).toEqual(version === 1 ? ['typo', 'year:desc'] : ['words', 'year:asc']);
      expect(settings.stopWords).toEqual(['the']);
      const keys = JSON.parse(await text('/keys')).results;
      expect(keys.map(({ uid }: { uid: string }) => uid)).toEqual(
        version < 4 ? [] : [version === 4 ? 'b9a6f269-7920-4047-92c3-4fb56f58db37' : '192e54ae-32f8-4c61-85f5-eb2b1b255629'],
      );
    });
  });

  it('takes a restore over HTTP while it runs, and then answers the same', async () => {
    const to = await start();
    await restoreInto(meilisearchTarget(to.address, services), backup);
    const result = await audit(to.address, backup);
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result).toMatchObject({ verdict: 'PASSED', notMeasured: [] });
    expect(Number(result.checks.find(({ name }) => name.startsWith('recorded searches'))?.expected)).toBeGreaterThan(5);
    const dated = /^(indexes|keys|rules|chats|webhooks|settings of vectors|documents of .*)$/;
    const [expected, found] = [await from.use(lookAt), await to.use(lookAt)];
    for (const name of Object.keys(expected)) if (!dated.test(name)) expect([name, found[name]]).toEqual([name, expected[name]]);
    // Vectors are not made anew: there is nobody at the address of the embedder.
    expect(found['documents of vectors']).toEqual(expected['documents of vectors']);
    const values = (seen: Record<string, unknown>) =>
      (seen['keys'] as { uid: string; key: string }[]).map(({ uid, key }) => `${uid} ${key}`).sort();
    expect(values(found)).toEqual(values(expected));
  });

  it('is drilled by a program of its own, fails on what is changed on purpose, and leaves nothing', async () => {
    const scratch = folder(from, { folder: `${from.database}-drill`, scratchName: 'lifeboat-drill-1' });
    const target = meilisearchTarget(scratch, services);
    const options = { scratch: true };
    await restoreInto(target, backup, options);
    const good = await audit(scratch, backup, options);
    expect(good.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(good.verdict).toBe('PASSED');
    const tampering = await target.tamper(backup.manifest, 4, forever);
    expect(judgeControl(tampering, await audit(scratch, backup, options))).toMatchObject({ ok: true });
    await runStage(target.discard, restoreContext(backup, options));
    expect([existsSync(`${from.database}-drill`), existsSync(`${from.database}-drill.lifeboat`)]).toEqual([false, false]);
  });

  it('writes a dump itself, which is restored with its secrets', async () => {
    const own = await backUpAt({ ...from.address, mode: 'server', dumpDirectory: from.dumpDirectory });
    expect(own.manifest.pointInTime.consistency).toBe('snapshot');
    const into = folder(from);
    await restoreInto(meilisearchTarget(into, services), own);
    expect((await audit(into, own)).checks.filter(({ ok }) => !ok)).toEqual([]);
    const to = await start();
    await restoreInto(meilisearchTarget(to.address, services), own);
    expect((await audit(to.address, own)).checks.filter(({ ok }) => !ok)).toEqual([]);
    await to.use(async (client) => mustEnd(client, [await enqueue(client, 'POST', '/dumps')], forever));
    const [name = ''] = readdirSync(to.dumpDirectory);
    const again = await filesIn(readFileSync(join(to.dumpDirectory, name)), /settings|webhooks/);
    expect(again.get('indexes/vectors/settings.json')).toContain('sk-embedder-secret-0123456789');
    expect(again.get('webhooks.json')).toContain('webhook-secret-0123456789');
    expect(again.get('chat-completions-settings/support.json')).toContain('sk-chat-secret-0123456789');
  });

  it('gets back the secrets that its server did not show', async () => {
    const given: Record<string, string> = {
      'env:E': 'sk-embedder-secret-0123456789',
      'env:W': 'Bearer webhook-secret-0123456789',
      'env:C': 'sk-chat-secret-0123456789',
    };
    const places = ['indexes/vectors/embedders/far/apiKey', 'webhooks/http://192.0.2.1/hook/Authorization', 'chats/support/apiKey'];
    expect(backup.manifest.details).toMatchObject({ secrets: { missing: places } });
    const secrets = Object.fromEntries(places.map((place, n) => [place, Object.keys(given)[n] ?? '']));
    const into = folder(from, { folder: `${from.database}-handed`, secrets });
    const handing = { ...services, secret: async (name: string) => given[name] ?? '' };
    await restoreInto(meilisearchTarget(into, handing), backup);
    expect((await audit(into, backup)).checks.filter(({ ok }) => !ok)).toEqual([]);
    const program = await findProgram({ folder: '/', binary, mode: 'api', wholeIndexes: false });
    const place = placeAt(`${from.database}-handed`);
    const dump = await withServer({ place, program, masterKey: MASTER_KEY }, services, forever, async (client) => {
      await mustEnd(client, [await enqueue(client, 'POST', '/dumps')], forever);
      const dumps = join(place.beside, 'dumps');
      return readFileSync(join(dumps, readdirSync(dumps)[0] ?? ''));
    });
    const files = await filesIn(dump, /settings|webhooks/);
    expect(files.get('indexes/vectors/settings.json')).toContain('sk-embedder-secret-0123456789');
    expect(files.get('webhooks.json')).toContain('Bearer webhook-secret-0123456789');
    expect(files.get('chat-completions-settings/support.json')).toContain('sk-chat-secret-0123456789');
  });

  it('says by itself what is wrong with a dump, and leaves no database', async () => {
    const broken = (change: (tar: Buffer) => Buffer) => startReal(binary, gzipSync(change(Buffer.from('no archive at all'))));
    await expect(broken((tar) => tar)).rejects.toMatchObject({ code: 'RestoreFailed', message: expect.stringContaining('archive') });
    const target = meilisearchTarget(folder(from), services);
    await expect(
      target.loadArtifact(chunked(Buffer.from('no archive at all')), { overwrite: true, signal: forever.signal, progress: () => {} }),
    ).rejects.toMatchObject({ code: 'ArtifactInvalid' });
    const checked = await checkDump(() => chunked(backup.dump, 65_536));
    expect(checked.digests).toEqual(backup.manifest.digests.filter(({ name }) => name.startsWith('documents/')));
  });
});

/** A running instance that may be changed: LIFEBOAT_TEST_MEILISEARCH=<url>, its key in MEILI_MASTER_KEY. */
describe.skipIf(!/^https?:/.test(binary))('a real Meilisearch elsewhere', () => {
  const address: InstanceAddress = {
    ...MeilisearchAddressSchema.parse({ url: binary.startsWith('http') ? binary : 'http://nowhere' }),
    url: binary,
  };

  it('is dumped into a whole file, restored over itself with --overwrite, and equal', { timeout: 600_000 }, async () => {
    const backup = await backUpAt(address);
    const checked = await checkDump(() => chunked(backup.dump, 65_536));
    expect(checked.digests).toEqual(backup.manifest.digests.filter(({ name }) => name.startsWith('documents/')));
    const target = meilisearchTarget(address, services);
    await restoreInto(target, backup, { overwrite: true });
    const { digests, checks } = await auditOf(target, backup, { overwrite: true });
    const result = judgeAudit({ manifest: backup.manifest, digests, checks, assertions: [] });
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
  });
});
