import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { serverName } from '../../../src/sources/postgres/identity.ts';
import { postgresSource } from '../../../src/sources/postgres/source.ts';
import { type FreshDatabase, freshDatabase, postgresUrl, query } from '../../support/postgres.ts';
import { addressOf, dumpDatabase, services } from './harness.ts';

let database: FreshDatabase;
beforeEach(async () => {
  database = await freshDatabase('inspect');
});
afterEach(() => database.drop());

const inspect = (url: string) => postgresSource(addressOf(url), services).inspect();

/** A user of this test alone, with its own password-less login. */
const asUser = async (name: string, grants: string): Promise<string> => {
  await query(database.url, `CREATE ROLE ${name} LOGIN; ${grants}`);
  const url = new URL(database.url);
  url.username = name;
  return url.href;
};

describe('an inspection', () => {
  it('says what lives where', async () => {
    const facts = await inspect(database.url);
    expect(facts).toMatchObject({
      product: 'PostgreSQL',
      version: expect.stringMatching(/^18\.\d+$/),
      content: database.name,
      problems: [],
    });
    expect(facts.place).toMatch(new RegExp(`^\\d+/local:\\d+/${database.name}$`));
    expect(facts.bytes).toBeGreaterThan(1_000_000);
  });

  it('knows one server by its several names, and two databases apart', async () => {
    const named = new URL(database.url);
    named.hostname = 'localhost';
    named.searchParams.set('options', '-c search_path=public');
    const [here, again, other] = await Promise.all([inspect(database.url), inspect(named.href), inspect(postgresUrl())]);
    expect(again.place).toBe(here.place);
    expect(other.place).not.toBe(here.place);
  });

  it('counts this machine by any of its addresses as local, another by its own', () => {
    const own = ['127.0.0.1', '::1', '10.0.0.7'];
    expect([
      serverName(null, 1, own),
      serverName('10.0.0.7', 1, own),
      serverName('10.0.0.8', 1, own),
      serverName('fd00::1', 2, own),
    ]).toEqual(['local:1', 'local:1', '10.0.0.8:1', '[fd00::1]:2']);
  });
});

describe('what stands in the way is named', () => {
  const codes = async (url: string) => (await inspect(url)).problems.map(({ code, message }) => `${code}: ${message}`);

  it('no permission on one table, one schema, one sequence', async () => {
    await query(
      database.url,
      'CREATE TABLE seen (a int); CREATE TABLE secret (a int); CREATE SCHEMA closed; CREATE TABLE closed.t (a int); CREATE SEQUENCE counter',
    );
    const url = await asUser('meagre', 'GRANT SELECT ON seen TO meagre');
    expect(await codes(url)).toEqual([
      'PermissionDenied: no permission to read closed.t, public.secret',
      'PermissionDenied: no permission to read sequence public.counter',
    ]);
    await expect(dumpDatabase(url)).rejects.toMatchObject({
      code: 'PermissionDenied',
      message: expect.stringMatching(/permission denied for (table|schema)/),
    });
    await query(database.url, 'DROP OWNED BY meagre; DROP ROLE meagre');
  });

  it('row security, for those whom it concerns', async () => {
    await query(database.url, 'CREATE TABLE mine (a int); INSERT INTO mine VALUES (1); ALTER TABLE mine ENABLE ROW LEVEL SECURITY');
    const url = await asUser('watched', 'GRANT pg_read_all_data TO watched');
    expect(await codes(database.url)).toEqual([]);
    expect(await codes(url)).toEqual(['RowSecurity: row security hides rows of public.mine from this user']);
    await expect(dumpDatabase(url)).rejects.toThrow(/row-level security/);
    await query(database.url, 'DROP OWNED BY watched; DROP ROLE watched');
  });

  it('large objects, the marker of an unfinished restore', async () => {
    await query(database.url, "SELECT lo_from_bytea(0, 'x'); CREATE TABLE public._lifeboat (a int)");
    expect(await codes(database.url)).toEqual([
      'LargeObjects: the database has 1 large objects, which are not backed up',
      'UnfinishedRestore: the database holds a restore that did not end (public._lifeboat)',
    ]);
  });

  it('an encoding without meaning', async () => {
    const name = `${database.name}_ascii`;
    await query(database.url, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING SQL_ASCII LOCALE_PROVIDER libc LOCALE 'C'`);
    const url = new URL(database.url);
    url.pathname = `/${name}`;
    expect(await codes(url.href)).toEqual([
      'EncodingUnsupported: the database has encoding SQL_ASCII, whose text has no meaning of its own',
    ]);
    await query(database.url, `DROP DATABASE ${name}`);
  });

  it('but nothing for a user who may read all and no more, whose backup is whole', async () => {
    await query(
      database.url,
      'CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE SEQUENCE s; CREATE SCHEMA x; CREATE TABLE x.u (a int)',
    );
    const url = await asUser('reader', 'GRANT pg_read_all_data TO reader');
    expect(await codes(url)).toEqual([]);
    const [mine, superusers] = [await dumpDatabase(url), await dumpDatabase(database.url)];
    expect(mine.digests).toEqual(superusers.digests);
    await query(database.url, 'DROP OWNED BY reader; DROP ROLE reader');
  });
});

describe('what is not in the backup', () => {
  it('is counted by kind, and said in the guide', async () => {
    await query(
      database.url,
      `CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing; CREATE FOREIGN TABLE far (a int) SERVER elsewhere;
      ALTER DATABASE ${database.name} SET work_mem = '8MB'`,
    );
    const { conclusion } = await dumpDatabase(database.url);
    expect(conclusion.notIncluded).toEqual({
      'rows of foreign tables (tables)': '1',
      'settings of the database (ALTER DATABASE … SET)': '1',
    });
    expect(conclusion.guide).toContain('- rows of foreign tables (tables): 1');
  });
});
