import { spawnSync } from 'node:child_process';
import { Client } from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { type FreshDatabase, freshDatabase, query } from '../../support/postgres.ts';
import { dumpDatabase, none } from './harness.ts';

const made: FreshDatabase[] = [];
const database = async (sql: string): Promise<string> => {
  const fresh = await freshDatabase('dump');
  made.push(fresh);
  await query(fresh.url, sql);
  return fresh.url;
};
afterEach(async () => {
  for (const fresh of made.splice(0)) await fresh.drop();
});

const PSQL = spawnSync('psql', ['--version']).status === 0;

const psql = (url: string, script: Buffer) =>
  spawnSync('psql', ['-X', '-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-d', url], { input: script, encoding: 'utf8' });

const rows = async (url: string, sql: string): Promise<Record<string, unknown>[]> => {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
};

/** Everything that a backup must not lose or bend. */
const ODDITIES = `
CREATE TABLE kinds (id int PRIMARY KEY, t text, f float8, r real, n numeric, b bytea, j json, jb jsonb, ts timestamptz, d date, i interval, m money, a text[], x xml,
  twice int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO kinds (id, t, f, r, n, b, j, jb, ts, d, i, m, a) VALUES
  (1, 'plain', 0.1, 0.1, 1.10, '\\x00ff', '{"b": 1,  "a":2}', '{"b": 1,  "a":2}', '2026-01-02 03:04:05.678+02', '2026-01-02', '1 year 2 mons -3 days', 12.34, '{a,"b c",NULL}'),
  (2, NULL, 'NaN', 'Infinity', 'NaN', NULL, NULL, NULL, 'infinity', '-infinity', NULL, NULL, NULL),
  (3, E'tab\\there\\nnew line\\r\\\\ back \\\\. \\\\N ''quote'' "double" 🚀 数据', -0.0, 3.4028235e38, 1e-20, '', 'null', 'null', NULL, '4713-01-01 BC', '00:00:00.000001', -1, '{}'),
  (4, '', 1e308, 1e-45, 12345678901234567890.123, decode('5c2e0a', 'hex'), '""', '"x"', '0001-01-01 BC', NULL, NULL, NULL, NULL);
INSERT INTO kinds (id, t) VALUES (5, E'\\\\.');
CREATE TABLE no_key (a int, b text); INSERT INTO no_key SELECT 1, 'same' FROM generate_series(1, 10);
CREATE TABLE empty (a int);
CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES; INSERT INTO bare DEFAULT VALUES;
CREATE TABLE only_generated (g int GENERATED ALWAYS AS (7) STORED, h text GENERATED ALWAYS AS ('x') STORED); INSERT INTO only_generated DEFAULT VALUES;
CREATE TABLE identified (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text); INSERT INTO identified (v) SELECT 'v' || g FROM generate_series(1, 20) g;
CREATE TABLE measured (at date NOT NULL, v int, note text, big text GENERATED ALWAYS AS (upper(note)) STORED) PARTITION BY RANGE (at);
CREATE TABLE measured_old PARTITION OF measured FOR VALUES FROM ('2020-01-01') TO ('2025-01-01');
CREATE TABLE measured_new (note text, gone int, big text GENERATED ALWAYS AS (upper(note)) STORED, v int, at date NOT NULL);
ALTER TABLE measured_new DROP COLUMN gone; ALTER TABLE measured ATTACH PARTITION measured_new FOR VALUES FROM ('2025-01-01') TO ('2030-01-01');
INSERT INTO measured SELECT '2024-12-20'::date + g, g, 'note ' || g FROM generate_series(1, 30) g;
CREATE TABLE hashed (k text) PARTITION BY HASH (k); CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1); INSERT INTO hashed SELECT 'k' || g FROM generate_series(1, 40) g;
CREATE TABLE childless (a int, b text) PARTITION BY LIST (a);
CREATE TABLE parent (a int); CREATE TABLE child (b int) INHERITS (parent); INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3);
CREATE SCHEMA "Odd ""schema"" .";
CREATE TABLE "Odd ""schema"" ."."Größe 🚀; DROP -- '\\x" ("Spalte ""1""" text, "select" int, "tab	tab" int);
INSERT INTO "Odd ""schema"" ."."Größe 🚀; DROP -- '\\x" VALUES ('a', 1, 2);
CREATE TABLE "${'n'.repeat(63)}" ("${'c'.repeat(63)}" int); INSERT INTO "${'n'.repeat(63)}" VALUES (1);
CREATE UNLOGGED TABLE unlogged (a int); INSERT INTO unlogged VALUES (1);
CREATE SEQUENCE counting START 5; SELECT nextval('counting'); SELECT nextval('counting'); CREATE SEQUENCE untouched;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM identified; CREATE MATERIALIZED VIEW twice AS SELECT n * 2 AS n FROM totals;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := NEW.v || '!'; RETURN NEW; END $$;
CREATE TRIGGER stamping BEFORE INSERT ON identified FOR EACH ROW EXECUTE FUNCTION stamp();
COMMENT ON TABLE no_key IS E'a comment with\\n\\\\! a backslash at the start of a line';
`;

describe('a dump of one database', () => {
  it('is a script that psql restores to the same content, and a second dump has the same digests', async ({ skip }) => {
    if (!PSQL) skip('psql is not installed');
    const url = await database(ODDITIES);
    const first = await dumpDatabase(url);
    const target = await database('');
    expect(psql(target, first.script)).toMatchObject({ status: 0, stderr: '' });
    const second = await dumpDatabase(target);
    expect(second.digests).toEqual(first.digests);
    expect(second.conclusion.details).toMatchObject({
      sequences: (first.conclusion.details as { sequences: unknown }).sequences,
    });
    expect(await rows(target, 'SELECT (SELECT n FROM totals) AS one, (SELECT n FROM twice) AS two')).toEqual([{ one: '20', two: '40' }]);
    expect(await rows(target, "SELECT nextval('counting') AS a, nextval('untouched') AS b")).toEqual([{ a: '7', b: '1' }]);
  });

  it('counts every class, with partitions under their root and generated columns apart', async () => {
    const url = await database(ODDITIES);
    const { digests } = await dumpDatabase(url);
    const counts = Object.fromEntries(digests.map(({ name, rows }) => [name, rows]));
    expect(counts).toEqual({
      'public.kinds': '5',
      'public.kinds (generated)': '5',
      'public.no_key': '10',
      'public.empty': '0',
      'public.bare': '2',
      'public.only_generated': '1',
      'public.only_generated (generated)': '1',
      'public.identified': '20',
      'public.measured': '30',
      'public.measured (generated)': '30',
      'public.hashed': '40',
      'public.childless': '0',
      'public.parent': '1',
      'public.child': '1',
      '"Odd ""schema"" ."."Größe 🚀; DROP -- \'\\x"': '1',
      [`public.${'n'.repeat(63)}`]: '1',
      'public.unlogged': '1',
    });
  });

  it('has the same rows and digests however it is cut, and whatever the budget', async () => {
    const url = await database(ODDITIES);
    await query(url, `INSERT INTO kinds (id, t) SELECT g, repeat('x', g % 300) FROM generate_series(100, 5000) g`);
    const whole = await dumpDatabase(url);
    const cut = await dumpDatabase(url, { sizes: { chunkBytes: 16_384, segmentRawBytes: 50_000 }, parallel: 2 });
    const starved = await dumpDatabase(url, { sizes: { chunkBytes: 65_536, segmentRawBytes: 1_000_000 }, budget: none });
    expect(cut.digests).toEqual(whole.digests);
    expect(starved.digests).toEqual(whole.digests);
    expect(cut.segments.length).toBeGreaterThan(whole.segments.length + 5);
    expect(starved.receipts.length).toBeGreaterThan(whole.receipts.length + 5);
    expect(lines(cut.script)).toEqual(lines(whole.script));
    expect(lines(starved.script)).toEqual(lines(whole.script));
  });
});

/** Rows of the artifact, sorted. */
const lines = (script: Buffer): string[] => {
  const found: string[] = [];
  let inside = false;
  for (const line of script.toString('utf8').split('\n')) {
    if (line.startsWith('COPY ')) inside = true;
    else if (line === '\\.') inside = false;
    else if (inside) found.push(line);
  }
  return found.sort();
};
