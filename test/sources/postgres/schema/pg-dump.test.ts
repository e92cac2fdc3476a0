import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../../../src/sources/postgres/connect.ts';
import { openInstant, snapshotOf } from '../../../../src/sources/postgres/instant.ts';
import { type PgDumpOptions, pgDump } from '../../../../src/sources/postgres/schema/pg-dump.ts';
import { forAnyTarget } from '../../../../src/sources/postgres/schema/script-text.ts';
import { type FreshDatabase, freshDatabase, ownServer, query } from '../../../support/postgres.ts';
import { addressOf, services } from '../harness.ts';

let database: FreshDatabase;
beforeEach(async () => {
  database = await freshDatabase('schema');
});
afterEach(() => database.drop());

const section = async (
  url: string,
  options: Partial<PgDumpOptions> = {},
  before: () => Promise<void> = async () => {},
): Promise<string> => {
  const holder = await connect(addressOf(url), services);
  try {
    const snapshot = snapshotOf(await openInstant(holder));
    await before();
    const text = await pgDump(await connect(addressOf(url), services), {
      section: 'pre-data',
      snapshot,
      timeout: 20_000,
      signal: new AbortController().signal,
      ...options,
    });
    return forAnyTarget(text);
  } finally {
    await holder.close();
  }
};

describe('the definitions', () => {
  it('are those of the instant, with owners, grants and comments', async () => {
    await query(database.url, "CREATE TABLE t (a int); GRANT SELECT ON t TO PUBLIC; COMMENT ON TABLE t IS 'seen'");
    const text = await section(database.url, {}, () => query(database.url, 'CREATE TABLE later (a int); ALTER TABLE t ADD b int'));
    expect(text).toContain('CREATE TABLE public.t');
    expect(text).toContain('OWNER TO postgres');
    expect(text).toContain('GRANT SELECT ON TABLE public.t TO PUBLIC');
    expect(text).toContain("COMMENT ON TABLE public.t IS 'seen'");
    expect(text).not.toContain('later');
    expect(text).not.toMatch(/^\s+b integer/m);
  });

  it('of a thousand tables come through, in queries longer than a buffer of libpq', async () => {
    const tables = Array.from({ length: 1500 }, (_, n) => `CREATE TABLE a_rather_long_name_of_a_table_${n} (a int, b text);`).join('');
    await query(database.url, tables);
    expect((await section(database.url, { timeout: 60_000 })).match(/^CREATE TABLE /gm)).toHaveLength(1500);
  }, 60_000);

  it('hold nothing that an older psql or server refuses', async () => {
    await query(database.url, 'CREATE TABLE t (a int)');
    const text = await section(database.url);
    expect(text).not.toMatch(/^\\/m);
    expect(text).not.toContain('SET transaction_timeout');
    expect(text).toContain("set_config('transaction_timeout', '0', false) FROM pg_catalog.pg_settings");
    expect(text).not.toContain('database dump complete');
  });

  it('leave function bodies alone that look like what pg_dump adds', async () => {
    const body = 'SET transaction_timeout = 0;\\nSET row_security = off;\\n-- PostgreSQL database dump complete\\n';
    await query(database.url, `CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS E'BEGIN\\n${body}END'`);
    expect(await section(database.url)).toContain(body.replaceAll('\\n', '\n'));
  });
});

describe('pg_dump fails by name', () => {
  it('when the session that exported the snapshot is gone', async () => {
    const connection = await connect(addressOf(database.url), services);
    const options = {
      section: 'pre-data',
      snapshot: '00000003-0000001B-1',
      timeout: 20_000,
      signal: new AbortController().signal,
    } as const;
    await expect(pgDump(connection, options)).rejects.toMatchObject({ code: 'ConnectionLost', retryable: true });
  });

  it('when it does not end in time, and leaves no session behind', async () => {
    await query(database.url, 'CREATE TABLE t (a int)');
    const other = new Client({ connectionString: database.url });
    await other.connect();
    await other.query('BEGIN; LOCK TABLE t');
    await expect(section(database.url, { timeout: 1_500 })).rejects.toMatchObject({
      code: 'SourceBusy',
      message: expect.stringContaining('did not end within'),
    });
    await other.query('ROLLBACK');
    const left =
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name <> '' AND pid <> pg_backend_pid()";
    await expect.poll(async () => (await other.query(left)).rows).toEqual([]);
    await other.end();
  });

  it('when it is aborted, with the reason', async () => {
    const reason = new Error('released');
    await expect(section(database.url, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it('when the server ends', async () => {
    const server = await ownServer();
    await query(server.url, 'CREATE TABLE t (a int)');
    await expect(
      section(server.url, {}, () => query(server.url, 'SELECT 1').then(() => void setTimeout(() => server.kill(), 60))),
    ).rejects.toMatchObject({
      code: 'ConnectionLost',
    });
  });
});
