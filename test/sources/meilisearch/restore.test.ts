import { Readable } from 'node:stream';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judgeControl } from '../../../src/drill/control.ts';
import { judgeAudit } from '../../../src/drill/judge.ts';
import type { MeilisearchAddress } from '../../../src/sources/meilisearch/address.ts';
import { keyLine } from '../../../src/sources/meilisearch/instance-files.ts';
import { meilisearchTarget } from '../../../src/sources/meilisearch/target.ts';
import { type MeilisearchServer, startMeilisearch } from '../../support/meilisearch-server.ts';
import { documentLines, seedIndex } from '../../support/meilisearch-state.ts';
import {
  addressOf,
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

const EXACT = '{"id":1,"big":9007199254740993,"one":1.0,"minus":-0.0,"text":"wonderful \\" } ] \\\\"}';
const movies = (many: number): string[] =>
  Array.from(
    { length: many },
    (_, n) => `{"id":${n},"title":"film ${n} wondrous${String.fromCharCode(97 + (n % 26)).repeat(3)}","year":${1900 + n}}`,
  );

describe('a restore over HTTP', () => {
  let from: MeilisearchServer;
  let to: MeilisearchServer;

  beforeEach(async () => {
    from = await startMeilisearch();
    to = await startMeilisearch();
  });
  afterEach(async () => {
    await Promise.all([from.stop(), to.stop()]);
  });

  const target = (more: Partial<MeilisearchAddress> = {}) => meilisearchTarget(addressOf(to, more), services);
  const audit = async (backup: Backup, options: RestoreOptions = {}, more: Partial<MeilisearchAddress> = {}) => {
    const { digests, checks } = await auditOf(target(more), backup, options);
    return judgeAudit({ manifest: backup.manifest, digests, checks, assertions: [] });
  };
  const seed = () => {
    seedIndex(from, 'movies', 'id', movies(1200), { filterableAttributes: ['year'], sortableAttributes: ['year'], stopWords: ['the'] });
    seedIndex(from, 'exact', 'id', [EXACT, '{"id":2,"_vectors":{"m":{"embeddings":[[0.25]],"regenerate":false}}}']);
    seedIndex(from, 'empty', 'sku', []);
    from.state.features['containsFilter'] = true;
    from.state.chats.set('support', { source: 'openAi', apiKey: 'sk-chat-secret', prompts: { system: 'be nice' } });
    from.state.features['dynamicSearchRules'] = true;
    from.state.rules.set('pin', { uid: 'pin', active: true, lastUpdatedAt: '2026-11-21T02:27:33.5Z', conditions: {}, actions: [{ x: 1 }] });
    from.state.webhooks.set('7a2a4a3c-16a1-4a4b-8b1c-2f8a3c3f1a11', { url: 'http://hook', headers: {} });
  };

  it('brings back documents, settings, keys and features, and the audit is equal', async () => {
    seed();
    const backup = await backUp(from, { sizes: { rangeBytes: 30_000, segmentRawBytes: 8_000 } });
    await restoreInto(target(), backup);
    for (const uid of ['movies', 'exact', 'empty']) expect(documentLines(to, uid)).toEqual(documentLines(from, uid));
    expect(to.state.indexes.get('movies')?.settings['stopWords']).toEqual(['the']);
    expect(to.state.indexes.get('empty')?.primaryKey).toBe('sku');
    expect([...to.state.keys.keys()].sort()).toEqual([...from.state.keys.keys()].sort());
    expect(to.state.features['containsFilter']).toBe(true);
    expect(to.state.rules.get('pin')).toMatchObject({ active: true, conditions: {}, actions: [{ x: 1 }] });
    expect(to.state.chats.get('support')).toMatchObject({ prompts: { system: 'be nice' } });
    expect([...to.state.webhooks.values()]).toEqual([{ url: 'http://hook', headers: {} }]);
    expect([...to.state.indexes.keys()].sort()).toEqual(['empty', 'exact', 'movies']);
    const result = await audit(backup);
    expect(result.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(result.verdict).toBe('PASSED');
    expect(result.notMeasured).toEqual([]);
    const names = result.checks.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        'rows of documents/movies',
        'content of settings',
        'content of keys',
        'content of rules',
        'recorded searches that answer the same',
        'master key',
        'webhooks',
      ]),
    );
    expect(result.checks.find(({ name }) => name === 'master key')?.actual).toContain('the same');
    expect(Number(result.checks.find(({ name }) => name.startsWith('recorded searches'))?.expected)).toBeGreaterThan(2);
  });

  it('names the secrets that the server did not show, and hands them back from references', async () => {
    seed();
    const embedder = { source: 'rest', url: 'http://x', apiKey: 'sk-embedder-secret' };
    seedIndex(from, 'v', 'id', ['{"id":1}'], { embedders: { far: embedder } });
    const hook = from.state.webhooks.get('7a2a4a3c-16a1-4a4b-8b1c-2f8a3c3f1a11');
    Object.assign(hook?.headers ?? {}, { Authorization: 'Bearer webhook-secret', 'X-A': 'plain' });
    from.state.features['network'] = true;
    from.state.network['remotes'] = { r: { url: 'http://r', searchApiKey: 'remote-secret', writeApiKey: null } };
    const backup = await backUp(from);
    const missing = ['indexes/v/embedders/far/apiKey', 'webhooks/http://hook/Authorization', 'chats/support/apiKey'];
    expect(backup.manifest.details).toMatchObject({ secrets: { holds: ['1 headers of webhooks', '1 keys of remote instances'], missing } });
    expect(JSON.stringify(backup.manifest)).not.toMatch(/-secret/);
    const given: Record<string, string> = { 'env:E': embedder.apiKey, 'env:W': 'Bearer webhook-secret', 'env:C': 'sk-chat-secret' };
    const secrets = Object.fromEntries(missing.map((place, n) => [place, Object.keys(given)[n] ?? '']));
    const handing = meilisearchTarget(addressOf(to, { secrets }), {
      ...services,
      secret: async (name) => given[name] ?? services.secret(name),
    });
    await restoreInto(handing, backup);
    expect(to.state.indexes.get('v')?.settings['embedders']).toEqual({ far: embedder });
    expect([...to.state.webhooks.values()]).toEqual([
      { url: 'http://hook', headers: { Authorization: 'Bearer webhook-secret', 'X-A': 'plain' } },
    ]);
    expect(to.state.chats.get('support')).toMatchObject({ apiKey: 'sk-chat-secret' });
    expect(() => addressOf(to, { secrets: { 'chats/support/apiKey': 'in-clear' } })).toThrow('not a reference');
    const elsewhere = addressOf(to, { secrets: { 'webhooks/http://other/A': 'env:W' } });
    await expect(restoreInto(meilisearchTarget(elsewhere, services), backup, { overwrite: true, restore: 'again' })).rejects.toMatchObject({
      code: 'RestoreFailed',
      message: expect.stringContaining('webhooks/http://other/A'),
    });
  });

  it('is the same when each invocation has no time', async () => {
    seed();
    const backup = await backUp(from, { sizes: { rangeBytes: 30_000, segmentRawBytes: 8_000 } });
    for (const stage of target().stages) await runStage(stage, restoreContext(backup, { budget: stage.name === 'load' ? none : forever }));
    expect(documentLines(to, 'movies')).toEqual(documentLines(from, 'movies'));
    expect((await audit(backup, { budget: none })).verdict).toBe('PASSED');
  });

  it('compares members whatever order the server prints them in', async () => {
    seedIndex(from, 'a', 'id', ['{"id":1,"b":2,"a":[1.0,{"z":1,"y":2}]}']);
    const backup = await backUp(from);
    seedIndex(to, 'a', 'id', ['{"a":[1.0,{"z":1,"y":2}],"id":1,"b":2}']);
    const { digests } = await auditOf(target(), backup);
    const of = (list: typeof digests) => list.find(({ name }) => name === 'documents/a')?.digest;
    expect(of(digests)).toBe(of(backup.manifest.digests));
    seedIndex(to, 'a', 'id', ['{"a":[1.0,{"y":2,"z":1}],"id":1,"b":2}']);
    expect(of((await auditOf(target(), backup)).digests)).not.toBe(of(backup.manifest.digests));
    seedIndex(to, 'a', 'id', ['{"a":[1,{"z":1,"y":2}],"id":1,"b":2}']);
    expect(of((await auditOf(target(), backup)).digests)).not.toBe(of(backup.manifest.digests));
  });

  it('refuses an index that is there, unless told to replace it, and then leaves the others', async () => {
    seed();
    const backup = await backUp(from);
    seedIndex(to, 'movies', 'id', ['{"id":"old"}']);
    seedIndex(to, 'mine', 'id', ['{"id":"keep"}']);
    expect(await target().inspect()).toMatchObject({ empty: false });
    await expect(restoreInto(target(), backup)).rejects.toMatchObject({
      code: 'TargetNotEmpty',
      message: expect.stringContaining('movies'),
    });
    expect(documentLines(to, 'movies')).toEqual(['{"id":"old"}']);
    await restoreInto(target(), backup, { overwrite: true });
    expect(documentLines(to, 'movies')).toEqual(documentLines(from, 'movies'));
    expect(documentLines(to, 'mine')).toEqual(['{"id":"keep"}']);
    expect((await audit(backup, { overwrite: true })).verdict).toBe('PASSED');
  });

  it('marks a restore that did not end, and another one is refused', async () => {
    seed();
    const backup = await backUp(from);
    const [prepare, settings] = target().stages;
    if (prepare === undefined || settings === undefined) throw new Error('no stages');
    await runStage(prepare, restoreContext(backup));
    expect(await target().inspect()).toMatchObject({ empty: false, unfinished: 'restore-1' });
    await expect(runStage(prepare, restoreContext(backup, { restore: 'other' }))).rejects.toMatchObject({
      code: 'TargetUnusable',
      message: expect.stringContaining('restore-1'),
    });
    await expect(runStage(settings, restoreContext(backup, { restore: 'other' }))).rejects.toMatchObject({ code: 'TargetUnusable' });
    await restoreInto(target(), backup);
    expect((await audit(backup)).verdict).toBe('PASSED');
  });

  it('refuses an older target, and one without a master key', async () => {
    seed();
    const backup = await backUp(from);
    await to.stop();
    to = await startMeilisearch({ version: '1.49.9' });
    await expect(restoreInto(target(), backup)).rejects.toMatchObject({ code: 'TargetTooOld' });
    await to.stop();
    to = await startMeilisearch({ masterKey: null });
    await expect(restoreInto(target(), backup)).rejects.toMatchObject({
      code: 'TargetProblem',
      message: expect.stringContaining('master key'),
    });
  });

  it('names the task that the target failed', async () => {
    seedIndex(from, 'a', 'id', ['{"id":1}']);
    const backup = await backUp(from);
    to.before = ({ method, path }) => {
      const index = to.state.indexes.get('a');
      if (method === 'POST' && path === '/indexes/a/documents' && index !== undefined) index.primaryKey = 'other';
      return undefined;
    };
    await expect(restoreInto(target(), backup)).rejects.toMatchObject({
      code: 'RestoreFailed',
      message: expect.stringContaining('missing_document_id'),
    });
  });

  it('halves batches that are too large for the target', async () => {
    await to.stop();
    to = await startMeilisearch({ payloadLimit: 20_000 });
    seed();
    const backup = await backUp(from);
    await restoreInto(target(), backup);
    expect(documentLines(to, 'movies')).toEqual(documentLines(from, 'movies'));
  });

  it('says when the master key is another', async () => {
    seed();
    const backup = await backUp(from);
    await to.stop();
    to = await startMeilisearch({ masterKey: 'another-master-key-of-some-length' });
    const other = meilisearchTarget(addressOf(to, { inlineApiKey: 'another-master-key-of-some-length' }), services);
    await restoreInto(other, backup);
    const { checks } = await auditOf(other, backup);
    expect(checks.find(({ name }) => name === 'master key')).toMatchObject({ ok: true, actual: expect.stringContaining('another') });
  });

  describe('in a drill', () => {
    const scratch = { scratchName: 'lifeboat-drill-1' };
    const options = { scratch: true };

    it('passes, fails on what is changed on purpose, and leaves nothing', async () => {
      seed();
      const before = { keys: [...to.state.keys.keys()].sort(), features: { ...to.state.features } };
      const backup = await backUp(from);
      await restoreInto(target(scratch), backup, options);
      const good = await audit(backup, options, scratch);
      expect(good.verdict).toBe('PASSED');
      expect(good.notMeasured.map(({ what }) => what).sort()).toEqual(['webhooks']);
      expect(to.state.webhooks.size).toBe(0);
      for (const seedNumber of [1, 2, 3, 4]) {
        const tampering = await target(scratch).tamper(backup.manifest, seedNumber, forever);
        expect(tampering.classes).toHaveLength(1);
      }
      const tampering = { what: ['x'], classes: ['documents/exact', 'documents/movies'] };
      expect(judgeControl(tampering, await audit(backup, options, scratch))).toMatchObject({ ok: true });
      await runStage(target(scratch).discard, restoreContext(backup, options));
      expect([...to.state.indexes.keys()]).toEqual([]);
      expect([...to.state.keys.keys()].sort()).toEqual(before.keys);
      expect(to.state.features).toEqual(before.features);
      expect([...to.state.rules.keys()]).toEqual([]);
      await runStage(target(scratch).discard, restoreContext(backup, options));
    });

    it('never touches the instance that was backed up, or one that holds something', async () => {
      seed();
      const backup = await backUp(from);
      const self = meilisearchTarget(addressOf(from, scratch), services);
      await expect(restoreInto(self, backup, options)).rejects.toMatchObject({ code: 'TargetIsSource' });
      await expect(self.tamper(backup.manifest, 1, forever)).rejects.toMatchObject({ code: 'TargetUnusable' });
      await runStage(self.discard, restoreContext(backup, options));
      expect([...from.state.indexes.keys()].sort()).toEqual(['empty', 'exact', 'movies']);
      seedIndex(to, 'mine', 'id', ['{"id":"keep"}']);
      await expect(restoreInto(target(scratch), backup, options)).rejects.toMatchObject({ code: 'TargetNotEmpty' });
      await runStage(target(scratch).discard, restoreContext(backup, options));
      expect([...to.state.indexes.keys()]).toEqual(['mine']);
    });

    it('changes settings where there is no document', async () => {
      seedIndex(from, 'empty', 'id', []);
      const backup = await backUp(from);
      await restoreInto(target(scratch), backup, options);
      const tampering = await target(scratch).tamper(backup.manifest, 7, forever);
      expect(tampering.classes).toEqual(['settings']);
      expect(judgeControl(tampering, await audit(backup, options, scratch)).ok).toBe(true);
    });
  });

  describe('of a file', () => {
    const load = (bytes: Buffer, overwrite = false) =>
      target().loadArtifact(Readable.from([bytes], { objectMode: false }), { overwrite, signal: forever.signal, progress: () => {} });

    it('loads a dump from a stream, or nothing of it', async () => {
      seed();
      const backup = await backUp(from);
      const tar = gunzipSync(backup.dump);
      await expect(load(tar.subarray(0, tar.length - 3000))).rejects.toMatchObject({ code: 'ArtifactInvalid' });
      expect([...to.state.indexes.keys()]).toEqual([]);
      expect(await load(tar)).toMatchObject({ rows: '1202' });
      expect(documentLines(to, 'movies')).toEqual(documentLines(from, 'movies'));
      expect((await audit(backup)).verdict).toBe('PASSED');
      await expect(load(tar)).rejects.toMatchObject({ code: 'TargetNotEmpty' });
      expect(await load(tar, true)).toMatchObject({ rows: '1202' });
    });
  });

  it('writes keys in the form of a dump', () => {
    const key = { uid: 'u', name: null, description: 'd', actions: ['*'], indexes: ['*'], expiresAt: null, createdAt: 'c', updatedAt: 'u' };
    expect(keyLine(key)).toEqual({
      uid: 'u',
      name: null,
      description: 'd',
      actions: ['*'],
      indexes: ['*'],
      expires_at: null,
      created_at: 'c',
      updated_at: 'u',
    });
  });
});
