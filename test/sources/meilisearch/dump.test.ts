import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkDump } from '../../../src/sources/meilisearch/dump/check.ts';
import { type MeilisearchServer, startMeilisearch } from '../../support/meilisearch-server.ts';
import { documentLines, seedIndex } from '../../support/meilisearch-state.ts';
import { chunked } from './chunked.ts';
import { type Backup, backUp, none } from './harness.ts';

const EXACT =
  '{"id":1,"big":9007199254740993,"huge":18446744073709551615,"one":1.0,"minus":-0.0,"text":"a \\" } ] \\\\","n":{"a":[1.50,{}]}}';

const movies = (many: number): string[] =>
  Array.from(
    { length: many },
    (_, n) => `{"id":${n},"title":"film ${n} wondrous${n}","year":${1900 + (n % 100)},"tags":["a","b\\u00e9"],"rate":${n}.0}`,
  );

describe('a dump over HTTP', () => {
  let server: MeilisearchServer;
  let folder: string;

  beforeEach(async () => {
    server = await startMeilisearch();
    folder = mkdtempSync(join(tmpdir(), 'lifeboat-meili-'));
  });
  afterEach(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  const untar = (backup: Backup): ((path: string) => string) => {
    writeFileSync(join(folder, 'a.tar'), gunzipSync(backup.dump));
    execFileSync('tar', ['-xf', join(folder, 'a.tar'), '-C', folder]);
    return (path) => readFileSync(join(folder, path), 'utf8');
  };

  it('is one gzip member that tar unpacks, with documents byte for byte', async () => {
    seedIndex(server, 'movies', 'id', movies(250), { filterableAttributes: ['year'], sortableAttributes: ['year'] });
    seedIndex(server, 'exact', 'id', [EXACT]);
    seedIndex(server, 'empty', null, []);
    const read = untar(await backUp(server));
    expect(read('indexes/exact/documents.jsonl')).toBe(`${EXACT}\n`);
    expect(read('indexes/movies/documents.jsonl')).toBe(
      documentLines(server, 'movies')
        .map((line) => `${line}\n`)
        .join(''),
    );
    expect(read('indexes/empty/documents.jsonl')).toBe('');
    expect(JSON.parse(read('metadata.json'))).toMatchObject({ dumpVersion: 'V6', dbVersion: '1.50.0' });
    expect(JSON.parse(read('indexes/movies/metadata.json'))).toMatchObject({ uid: 'movies', primaryKey: 'id' });
    expect(JSON.parse(read('indexes/movies/settings.json'))).toMatchObject({ filterableAttributes: ['year'] });
    expect(read('tasks/queue.jsonl')).toBe('');
    const keys = read('keys.jsonl')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(keys).toHaveLength(2);
    expect(keys[0]).toMatchObject({ expires_at: null, indexes: ['*'] });
    expect(keys[0]).not.toHaveProperty('key');
  });

  it('is the same in many tasks, segments and invocations', async () => {
    seedIndex(server, 'movies', 'id', movies(3000));
    seedIndex(server, 'other', 'id', movies(3));
    const whole = await backUp(server);
    const pieces = await backUp(server, { sizes: { rangeBytes: 60_000, segmentRawBytes: 10_000 }, budget: none });
    expect(pieces.manifest.segments.length).toBeGreaterThan(whole.manifest.segments.length + 5);
    expect(pieces.manifest.digests).toEqual(whole.manifest.digests);
    const documents = async (backup: Backup) => (await checkDump(() => chunked(backup.dump))).digests;
    expect(await documents(pieces)).toEqual(await documents(whole));
    expect(untar(pieces)('indexes/movies/documents.jsonl')).toBe(
      documentLines(server, 'movies')
        .map((line) => `${line}\n`)
        .join(''),
    );
  });

  it('says the same as its own check of the file', async () => {
    seedIndex(server, 'movies', 'id', movies(50));
    const backup = await backUp(server);
    const checked = await checkDump(() => chunked(backup.dump));
    expect(checked.digests).toEqual(backup.manifest.digests.filter(({ name }) => name.startsWith('documents/')));
    expect(checked.documents.get('movies')).toBe(50);
    expect(backup.manifest.pointInTime.consistency).toBe('quiesced');
  });

  it('keeps vectors, and adds none', async () => {
    seedIndex(server, 'v', 'id', ['{"id":1,"_vectors":{"m":{"embeddings":[[0.25,-1.0]],"regenerate":false}}}', '{"id":2}']);
    const read = untar(await backUp(server));
    expect(read('indexes/v/documents.jsonl')).toBe('{"id":1,"_vectors":{"m":{"embeddings":[[0.25,-1.0]],"regenerate":false}}}\n{"id":2}\n');
  });

  it('leaves out secrets that the server shows in part, and counts them', async () => {
    seedIndex(server, 'v', 'id', ['{"id":1}'], { embedders: { e: { source: 'rest', apiKey: 'sk-super-secret', url: 'http://x' } } });
    server.state.webhooks.set('7a2a4a3c-16a1-4a4b-8b1c-2f8a3c3f1a11', {
      url: 'http://hook',
      headers: { Authorization: 'Bearer web-secret', 'X-A': 'b' },
    });
    const backup = await backUp(server);
    const read = untar(backup);
    expect(JSON.parse(read('indexes/v/settings.json')).embedders).toEqual({ e: { source: 'rest', url: 'http://x' } });
    expect(JSON.parse(read('webhooks.json')).webhooks['7a2a4a3c-16a1-4a4b-8b1c-2f8a3c3f1a11']).toEqual({
      url: 'http://hook',
      headers: { 'X-A': 'b' },
    });
    expect(backup.manifest.notIncluded).toMatchObject({
      'redacted secrets of embedders': '1',
      'redacted secrets of webhooks and chats': '1',
    });
    expect(JSON.stringify(backup.manifest)).not.toMatch(/XXXX|secret-|super/);
  });

  it('reads an index again that changed meanwhile, and says fuzzy', async () => {
    seedIndex(server, 'movies', 'id', movies(2500));
    seedIndex(server, 'other', 'id', movies(5));
    let pages = 0;
    server.before = ({ path }) => {
      if (path === '/indexes/movies/documents' && ++pages === 4) {
        const index = server.state.indexes.get('movies');
        if (index === undefined) throw new Error('no index');
        index.documents.delete('0');
        index.updatedAt = '2026-11-21T02:27:36.9Z';
      }
      return undefined;
    };
    const backup = await backUp(server);
    expect(backup.manifest.pointInTime).toMatchObject({ consistency: 'fuzzy', token: { changed: ['movies'] } });
    const lines = untar(backup)('indexes/movies/documents.jsonl').trim().split('\n');
    expect(lines).toEqual(documentLines(server, 'movies'));
    expect(lines).toHaveLength(2499);
  });

  it('fails by name when a large index changes, or one that never rests', async () => {
    seedIndex(server, 'movies', 'id', movies(2500));
    const touch = () => {
      const index = server.state.indexes.get('movies');
      if (index !== undefined) index.updatedAt = `${Math.random()}`;
    };
    await expect(backUp(server, { sizes: { rangeBytes: 60_000, segmentRawBytes: 10_000 }, planned: touch })).rejects.toMatchObject({
      code: 'SourceChanged',
      message: expect.stringContaining('movies'),
    });
    server.before = ({ path, query }) => {
      if (path === '/indexes/movies/documents' && query.get('retrieveVectors') === 'true') touch();
      return undefined;
    };
    await expect(backUp(server)).rejects.toMatchObject({ code: 'SourceChanged' });
  });

  it('waits for enqueued tasks, and names those that wait on', async () => {
    await server.stop();
    server = await startMeilisearch({ taskDelay: 300 });
    seedIndex(server, 'a', 'id', ['{"id":1}']);
    const post = () =>
      fetch(`${server.url}/indexes/a/documents`, {
        method: 'POST',
        body: '{"id":2}',
        headers: { 'content-type': 'application/x-ndjson', authorization: 'Bearer lab-master-key-0123456789abcdef' },
      });
    await post();
    const backup = await backUp(server);
    expect(backup.manifest.digests.find(({ name }) => name === 'documents/a')?.rows).toBe('2');
    await post();
    const early = await backUp(server, { waitMs: 0 });
    expect(early.manifest.notIncluded['enqueued tasks']).toBe('1');
    expect(early.manifest.pointInTime).toMatchObject({
      consistency: 'fuzzy',
      token: { waiting: ['task 1 (documentAdditionOrUpdate of a)'] },
    });
  });

  it('is empty, and whole, of an empty instance', async () => {
    const backup = await backUp(server);
    const checked = await checkDump(() => chunked(backup.dump));
    expect(checked.contents.indexes).toEqual([]);
    expect(checked.contents.keys).toHaveLength(2);
  });
});
