import { spawnSync } from 'node:child_process';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCatalogue } from '../../../src/local/demo/catalogue.ts';
import { type FreshDatabase, freshDatabase, query } from '../../support/postgres.ts';
import { audit, type Backup, backUp, targetOf } from './restore-harness.ts';

const made: FreshDatabase[] = [];
const database = async (): Promise<string> => {
  const fresh = await freshDatabase('load');
  made.push(fresh);
  return fresh.url;
};
async function* blocks(bytes: Uint8Array, size = 8191): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const load = (url: string, script: Uint8Array | string, overwrite = false) =>
  targetOf(url).loadArtifact(blocks(Buffer.from(script as string)), {
    overwrite,
    signal: new AbortController().signal,
    progress: () => {},
  });
const relations = async (url: string): Promise<string[]> => {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema') ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  } finally {
    await client.end();
  }
};

/** As pg_dump writes it: no transaction, settings of a newer server, a last comment. */
const PLAIN = `--
-- PostgreSQL database dump
--

\\restrict hq3Kd0
SET statement_timeout = 0;
SET setting_of_the_future = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.t (a integer, b text);
ALTER TABLE public.t OWNER TO nobody_here;
COPY public.t (a, b) FROM stdin;
1	one
2	\\N
\\.

CREATE INDEX t_a ON public.t USING btree (a);

--
-- PostgreSQL database dump complete
--

\\unrestrict hq3Kd0
`;

let backup: Backup;
beforeAll(async () => {
  const source = await database();
  await createCatalogue(source, { tables: 30 });
  backup = await backUp(source);
}, 30_000);
afterAll(async () => {
  for (const fresh of made.splice(0)) await fresh.drop();
});

describe('loading an artifact', () => {
  it('brings back what was dumped', async () => {
    const url = await database();
    const loaded = await load(url, backup.script);
    expect(Number(loaded.rows)).toBeGreaterThan(100);
    expect(loaded.checks.every((check) => check.ok)).toBe(true);
    const audited = await audit(url, backup);
    expect(audited.failed).toEqual([]);
    expect(audited.checks.filter((check) => !check.ok)).toEqual([]);
  }, 30_000);

  it('leaves nothing when the artifact is cut, wherever that is', async () => {
    const url = await database();
    const commit = backup.script.lastIndexOf('COMMIT');
    const places = [
      0,
      10,
      40,
      5000,
      commit - 1,
      commit,
      commit + 3,
      commit + 6,
      ...Array.from({ length: 8 }, (_, i) => Math.floor((backup.script.length * (i + 1)) / 9)),
    ];
    for (const place of places) {
      await expect(load(url, backup.script.subarray(0, place)), `cut at ${place}`).rejects.toMatchObject({ code: 'ArtifactInvalid' });
      expect(await relations(url), `cut at ${place}`).toEqual([]);
    }
    await load(url, backup.script);
  }, 60_000);

  it('takes the plain format of pg_dump, and knows when it is cut', async () => {
    const url = await database();
    const end = PLAIN.indexOf('-- PostgreSQL database dump complete') + '-- PostgreSQL database dump complete'.length;
    for (let place = 0; place < end; place += 7) {
      await expect(load(url, PLAIN.slice(0, place)), `cut at ${place}`).rejects.toMatchObject({ code: 'ArtifactInvalid' });
    }
    expect(await relations(url)).toEqual([]);
    expect(await load(url, PLAIN)).toMatchObject({ rows: '2' });
    expect(await relations(url)).toEqual(['t', 't_a']);
  });

  it('takes what a real pg_dump writes', async ({ skip }) => {
    const from = await database();
    await query(
      from,
      `CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t VALUES (1, E'x\\ty'), (2, NULL); CREATE VIEW v AS SELECT * FROM t`,
    );
    const dumped = spawnSync('pg_dump', ['-d', from], { encoding: 'utf8' });
    if (dumped.status !== 0) skip(`pg_dump cannot dump this server: ${dumped.stderr ?? dumped.error?.message}`);
    const url = await database();
    expect(await load(url, dumped.stdout)).toMatchObject({ rows: '2' });
    expect(await relations(url)).toEqual(['t', 't_pkey', 'v']);
  });

  it('refuses what is no whole script, or one that is not one transaction', async () => {
    const url = await database();
    for (const script of [
      'CREATE TABLE t (a int);',
      'BEGIN; CREATE TABLE t (a int); ROLLBACK;',
      'BEGIN; COMMIT; CREATE TABLE t (a int);',
      'CREATE TABLE t (a int); COMMIT;',
      '',
    ]) {
      await expect(load(url, script), script).rejects.toMatchObject({ code: 'ArtifactInvalid' });
    }
    await expect(load(url, 'BEGIN; SET standard_conforming_strings = off; COMMIT;')).rejects.toMatchObject({ code: 'Unsupported' });
    await expect(load(url, `BEGIN; SET client_encoding = 'LATIN1'; COMMIT;`)).rejects.toMatchObject({ code: 'Unsupported' });
    expect(await relations(url)).toEqual([]);
  });

  it('names the statement that the server refuses, and leaves nothing', async () => {
    const url = await database();
    await expect(load(url, 'BEGIN; CREATE TABLE t (a int); CREATE TABLE u (a nothing); COMMIT;')).rejects.toMatchObject({
      code: 'RestoreFailed',
      message: expect.stringContaining('CREATE TABLE u (a nothing)'),
    });
    await expect(load(url, 'BEGIN; CREATE TABLE t (a int);\nCOPY t FROM stdin;\n1\nx\n\\.\nCOMMIT;')).rejects.toMatchObject({
      code: 'RestoreFailed',
    });
    expect(await relations(url)).toEqual([]);
  });

  it('refuses a database that is not empty, and overwrites it only by what is whole', async () => {
    const url = await database();
    await query(url, 'CREATE TABLE precious (a int)');
    await expect(load(url, PLAIN)).rejects.toMatchObject({ code: 'TargetNotEmpty' });
    await expect(load(url, PLAIN.slice(0, 400), true)).rejects.toMatchObject({ code: 'ArtifactInvalid' });
    expect(await relations(url)).toEqual(['precious']);
    await load(url, PLAIN, true);
    expect(await relations(url)).toEqual(['t', 't_a']);
    await load(url, backup.script, true);
    expect((await audit(url, backup)).failed).toEqual([]);
  }, 30_000);

  it('ends when it is told to', async () => {
    const url = await database();
    const stop = new AbortController();
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('BEGIN; CREATE TABLE public.t (a int);\nCOPY public.t FROM stdin;\n');
      for (let i = 0; ; i++) {
        if (i === 100) stop.abort(new Error('interrupted'));
        yield Buffer.from('1\n'.repeat(1000));
      }
    }
    const loading = targetOf(url).loadArtifact(endless(), { overwrite: false, signal: stop.signal, progress: () => {} });
    await expect(loading).rejects.toThrow('interrupted');
    expect(await relations(url)).toEqual([]);
  });
});
