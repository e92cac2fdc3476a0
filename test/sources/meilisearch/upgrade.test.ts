import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { checkDump } from '../../../src/sources/meilisearch/dump/check.ts';
import { examineDump } from '../../../src/sources/meilisearch/dump/examine.ts';
import { readWhole } from '../../../src/sources/meilisearch/dump/lines.ts';
import { readTar } from '../../../src/sources/meilisearch/dump/tar-read.ts';
import { upgradeDump } from '../../../src/sources/meilisearch/dump/upgrade/upgrade.ts';
import { DOCUMENTS, dumpOf, filesOf, tarOf } from '../../support/meilisearch-dumps.ts';
import { chunked } from './chunked.ts';

const NEW_UID = 'b9a6f269-7920-4047-92c3-4fb56f58db37';
const world = { now: new Date('2026-11-21T00:00:00Z'), newUid: () => NEW_UID };

const upgraded = async (dump: Buffer) => {
  const { result, tar } = await upgradeDump(() => chunked(dump), world);
  const archive = Buffer.concat(await Array.fromAsync(tar));
  const files: Record<string, string> = {};
  for await (const { path, body } of readTar(chunked(archive))) files[path] = (await readWhole(body, path, 1e9)).toString();
  const checked = await checkDump(() => chunked(gzipSync(archive)));
  const tasks = (files['tasks/queue.jsonl'] ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  const read = (path: string) => JSON.parse(files[path] ?? 'null');
  return { result, files, checked, tasks, settings: read('indexes/films/settings.json'), index: read('indexes/films/metadata.json') };
};

describe('the upgrade of a dump', () => {
  it.each([1, 2, 3, 4, 5] as const)('of version %i is a dump of version 6 with the same documents, byte for byte', async (version) => {
    const { files, checked, index, result } = await upgraded(dumpOf(version));
    expect(files['indexes/films/documents.jsonl']).toBe(DOCUMENTS);
    expect(index).toMatchObject({ uid: 'films', primaryKey: 'id' });
    expect(checked.documents.get('films')).toBe(2);
    expect(result).toMatchObject({ from: version, documents: 2, indexes: 1 });
    const examined = await examineDump(() => chunked(dumpOf(version)));
    expect(examined.contents).toMatchObject({ version, documents: 2, indexes: [{ uid: 'films', documents: 2, primaryKey: 'id' }] });
  });

  it('of version 1 renames settings and rules, and says what waited', async () => {
    const { settings, tasks, result, files, index } = await upgraded(dumpOf(1));
    expect(settings).toEqual({
      rankingRules: ['typo', 'year:desc'],
      filterableAttributes: ['year'],
      sortableAttributes: ['year'],
      stopWords: ['the'],
    });
    expect(tasks.map(({ uid, status, type }) => [uid, status, Object.keys(type)[0]])).toEqual([
      [0, 'succeeded', 'documentImport'],
      [1, 'failed', 'settings'],
    ]);
    expect(tasks[1]).toMatchObject({
      type: { settings: { settings: { rankingRules: ['typo', 'year:asc'], stopWords: null } } },
      error: { code: 'invalid_facet', type: 'invalid_request' },
    });
    expect(tasks[0].startedAt).toBe('2022-10-06T12:53:39.000Z');
    expect(result.notes.join()).toMatch(/no date.*wordsPosition.*enqueued.*no API keys/);
    expect(files['metadata.json']).toContain('2026-11-21T00:00:00');
    expect(index.createdAt).toBe('2022-10-06T12:53:38.7Z');
  });

  it.each([2, 3] as const)('of version %i numbers updates by line, and keeps what waited', async (version) => {
    const { tasks, files, settings, index } = await upgraded(dumpOf(version));
    expect(tasks.map(({ uid, indexUid, status }) => [uid, indexUid, status])).toEqual([
      [0, 'films', 'succeeded'],
      [1, 'films', 'failed'],
      [2, 'films', 'succeeded'],
      [3, 'films', 'succeeded'],
      [4, 'films', 'failed'],
      [6, 'unknown', 'succeeded'],
      [7, 'films', 'enqueued'],
    ]);
    expect(tasks[1].error).toMatchObject({ code: 'missing_primary_key', type: 'invalid_request' });
    expect(tasks[2].type).toEqual({
      settings: { settings: { rankingRules: ['year:asc'] }, is_deletion: false, allow_index_creation: true },
    });
    expect(tasks[3].type).toEqual({ documentDeletion: { documents_ids: ['7'] } });
    expect(tasks[4].error.message).toContain('aborted');
    expect(tasks[6]).toMatchObject({
      type: { documentImport: { documents_count: 2 } },
      details: { DocumentAdditionOrUpdate: { received_documents: 2, indexed_documents: null } },
    });
    expect(files['tasks/update_files/7.jsonl']).toBe('{"id":3,"title":"Porco \\" ] }"}\n{"id":4,"x":1.50}\n');
    expect(settings.rankingRules).toEqual(['words', 'year:asc']);
    expect(index).toMatchObject({ createdAt: '2022-10-06T12:53:39.5Z', updatedAt: '2022-10-06T12:53:40.1Z' });
  });

  it.each([4, 5] as const)('of version %i reads events, and keeps what waited', async (version) => {
    const { tasks, files, index, result } = await upgraded(dumpOf(version));
    const shown = tasks.map(({ uid, status, type }) => [uid, status, typeof type === 'string' ? type : Object.keys(type)[0]]);
    expect(shown).toEqual([
      [0, 'succeeded', 'documentImport'],
      [1, 'succeeded', 'settings'],
      [2, 'succeeded', 'documentClear'],
      [3, 'failed', 'indexCreation'],
      [4, 'succeeded', 'documentDeletion'],
      [5, 'enqueued', 'documentImport'],
      ...(version === 5 ? [[6, 'succeeded', 'dumpCreation']] : []),
    ]);
    expect(tasks.slice(0, 6).every(({ indexUid }) => indexUid === 'films')).toBe(true);
    expect(tasks[0].details).toEqual({ DocumentAdditionOrUpdate: { received_documents: 2, indexed_documents: 2 } });
    expect(files['tasks/update_files/5.jsonl']).toContain('"x":1.50');
    expect(index).toMatchObject({ createdAt: '2022-10-06T12:53:38.7Z', updatedAt: '2022-10-06T12:53:40.1Z' });
    expect(files['instance_uid.uuid']).toBe('9e15e977-f2ae-4761-943f-1eaf75fd736d');
    const [key] = (files['keys.jsonl'] ?? '')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(key).toMatchObject({
      uid: version === 4 ? NEW_UID : '192e54ae-32f8-4c61-85f5-eb2b1b255629',
      actions: ['search'],
      expires_at: null,
    });
    expect(result.notes.some((note) => note.includes('new values'))).toBe(version === 4);
  });

  it('refuses one that is new already, one that nobody knows, and a damaged one', async () => {
    await expect(upgraded(dumpOf(6))).rejects.toMatchObject({ code: 'Usage', message: expect.stringContaining('version 6') });
    const other = { ...filesOf(5), 'metadata.json': '{"dumpVersion":"V9"}' };
    await expect(upgraded(gzipSync(tarOf(other)))).rejects.toMatchObject({
      code: 'ArtifactInvalid',
      message: expect.stringContaining('V9'),
    });
    const { 'metadata.json': _, ...without } = filesOf(5);
    await expect(upgraded(gzipSync(tarOf(without)))).rejects.toMatchObject({ code: 'ArtifactInvalid' });
    await expect(upgraded(dumpOf(4).subarray(0, 900))).rejects.toMatchObject({ code: 'ArtifactInvalid' });
  });
});

/** Dumps of the product itself, which are not copied into this project: beside it, or where the variable says. */
const samples = process.env['LIFEBOAT_MEILISEARCH_SAMPLES'] ?? join(import.meta.dirname, '../../../../shared/fixtures/meilisearch');

describe.skipIf(!existsSync(samples))('the samples of Meilisearch itself', () => {
  const read = (name: string) => readFileSync(join(samples, name));

  it('are read in every version, but the one that Meilisearch refuses, too', async () => {
    const names = readdirSync(join(samples, 'peer-samples')).filter((name) => name.endsWith('.dump'));
    expect(names.length).toBeGreaterThan(8);
    for (const name of names) {
      const examined = examineDump(() => chunked(read(`peer-samples/${name}`), 65_536));
      if (name === 'v6-with-vectors.dump') await expect(examined).rejects.toMatchObject({ message: expect.stringContaining('_vectors') });
      else expect((await examined).contents['version']).toBe(Number(name[1]));
    }
  });

  // What a real 1.50.0 had after it imported them: indexes with documents, less what ran afterwards, and tasks.
  it.each([
    ['v1.dump', { dnd_spells: 10, movies: 10, products: 10 }, 9],
    ['v2-v0.22.0.dump', { dnd_spells: 10, movies: 10, products: 10 }, 8],
    ['v2.dump', { dnd_spells: 10, movies: 110, movies_2: 0, products: 10 }, 9],
    ['v3.dump', { dnd_spells: 10, movies: 110, movies_2: 0, products: 10 }, 10],
    ['v4.dump', { dnd_spells: 10, movies: 110, products: 10 }, 10],
    ['v5.dump', { dnd_spells: 10, movies: 200, products: 10 }, 22],
  ])('%s becomes what Meilisearch makes of it', async (name, documents, tasks) => {
    const { tar } = await upgradeDump(() => chunked(read(`peer-samples/${name}`), 65_536), world);
    const archive = Buffer.concat(await Array.fromAsync(tar));
    const checked = await checkDump(() => chunked(gzipSync(archive), 65_536));
    expect(Object.fromEntries([...checked.documents].sort())).toEqual(documents);
    expect(checked.tasks).toBe(tasks);
  });

  it('and a dump of a real 1.50.0 checks out', async () => {
    const checked = await checkDump(() => chunked(read('real-v6.dump'), 65_536));
    expect(Object.fromEntries(checked.documents)).toMatchObject({ events: 21_000, movies: 300, vectors: 60, numbers: 3 });
    expect(checked).toMatchObject({ tasks: 34, enqueued: 3, warnings: [] });
    expect(checked.contents.keys).toHaveLength(7);
  });
});
