import { createReadStream, createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/cli/engine.ts';
import { parseEnvironment } from '../../../src/environment/parse.ts';
import { openSecrets } from '../../../src/environment/secrets.ts';
import { makeEngine } from '../../../src/local/engine.ts';
import { checkDump } from '../../../src/sources/meilisearch/dump/check.ts';
import { systemOf } from '../../../src/sources/registry.ts';
import { type MeilisearchServer, startMeilisearch } from '../../support/meilisearch-server.ts';
import { documentLines, seedIndex } from '../../support/meilisearch-state.ts';
import { MASTER_KEY } from './harness.ts';
import { program } from './program.ts';

const run = { report: () => {}, signal: new AbortController().signal };

describe('through the state machines', () => {
  let from: MeilisearchServer;
  let scratch: MeilisearchServer;
  let to: MeilisearchServer;
  let engine: Engine;
  let folder: string;

  beforeAll(async () => {
    [from, scratch, to] = [await startMeilisearch(), await startMeilisearch(), await startMeilisearch()];
    folder = mkdtempSync(join(tmpdir(), 'lifeboat-meili-'));
    writeFileSync(join(folder, 'key'), MASTER_KEY);
    const address = (server: MeilisearchServer) => ({ kind: 'meilisearch', url: server.url, apiKey: `file:${folder}/key` });
    const environment = parseEnvironment(
      {
        store: `file://${folder}/store`,
        sources: { search: { ...address(from), concurrency: 2, drill: { scratch: 'scratch' } } },
        targets: {
          scratch: address(scratch),
          standby: address(to),
          folder: { kind: 'meilisearch', folder: join(folder, 'drills'), binary: program(folder) },
        },
      },
      { name: 'test', root: folder },
    );
    engine = await makeEngine({ environment, secrets: openSecrets({ env: process.env }) });
    const lines = Array.from({ length: 5000 }, (_, n) => `{"id":${n},"title":"film number${n}","big":9007199254740993,"year":${n}.0}`);
    seedIndex(from, 'movies', 'id', lines, { filterableAttributes: ['title'], sortableAttributes: ['year'] });
    seedIndex(from, 'small', 'sku', ['{"sku":"a-1","v":1.50}']);
    seedIndex(from, 'empty', null, []);
  });
  afterAll(async () => {
    await engine.close();
    await Promise.all([from.stop(), scratch.stop(), to.stop()]);
    rmSync(folder, { recursive: true, force: true });
  });

  it('backs up, restores elsewhere, and drills', { timeout: 120_000 }, async () => {
    const { backup, already } = await engine.backup({ source: 'search' }, run);
    expect(already).toBe(false);
    const root = join(folder, 'store/search/backups', backup);
    const listed = [...readFileSync(join(root, 'RESTORE.md'), 'utf8').matchAll(/^segments\/.*$/gm)].map(([key]) =>
      readFileSync(join(root, key)),
    );
    const dump = Buffer.concat(listed);
    const checked = await checkDump(async function* () {
      yield dump;
    });
    expect(Object.fromEntries(checked.documents)).toEqual({ movies: 5000, small: 1, empty: 0 });

    const restored = await engine.restore({ source: 'search', backup, target: 'standby', overwrite: false, only: undefined }, run);
    expect(restored.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(documentLines(to, 'movies')).toEqual(documentLines(from, 'movies'));
    expect([...to.state.indexes.keys()].sort()).toEqual(['empty', 'movies', 'small']);

    const { proof } = await engine.drill(
      { source: 'search', backup: undefined, selection: undefined, scratch: undefined, seed: undefined },
      run,
    );
    expect(proof.failure).toBeNull();
    expect(proof.verdict).toBe('PASSED');
    expect(proof.control).toMatchObject({ ok: true });
    expect([...scratch.state.indexes.keys()]).toEqual([]);
    expect([...from.state.indexes.keys()].sort()).toEqual(['empty', 'movies', 'small']);

    const records = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
      (entry) => entry.isFile() && /\.(json|jsonl|html|md)$/.test(entry.name),
    );
    for (const entry of records) expect(readFileSync(join(entry.parentPath, entry.name), 'utf8')).not.toContain(MASTER_KEY);
  });

  it('drills into a folder, by a program of its own', { timeout: 120_000 }, async () => {
    const drill = { source: 'search', backup: undefined, selection: undefined, seed: undefined };
    const { proof } = await engine.drill({ ...drill, scratch: 'folder' }, run);
    expect(proof.failure).toBeNull();
    expect(proof).toMatchObject({ verdict: 'PASSED', control: { ok: true } });
    expect(readdirSync(join(folder, 'drills'))).toEqual([]);
  });

  it('dumps into a file and loads it again, without a store', { timeout: 60_000 }, async () => {
    const system = (server: MeilisearchServer) => systemOf({ kind: 'meilisearch', address: { url: server.url, inlineApiKey: MASTER_KEY } });
    const out = createWriteStream(join(folder, 'one.dump'));
    const result = await engine.dump(system(from), out, run);
    await new Promise((resolve) => out.end(resolve));
    expect(result).toMatchObject({ format: 'Meilisearch dump v6', rows: expect.stringMatching(/^50\d\d$/) });
    const again = await startMeilisearch();
    try {
      const loaded = await engine.load(system(again), createReadStream(join(folder, 'one.dump')), { overwrite: false }, run);
      expect(loaded.rows).toBe('5001');
      expect(documentLines(again, 'movies')).toEqual(documentLines(from, 'movies'));
    } finally {
      await again.stop();
    }
  });
});
