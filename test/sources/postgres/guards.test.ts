import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isLifeboatError } from '../../../src/errors.ts';
import { collector } from '../../support/collected.ts';
import { type FreshDatabase, freshDatabase, ownServer, query } from '../../support/postgres.ts';
import { dumpDatabase } from './harness.ts';

let database: FreshDatabase;
beforeEach(async () => {
  database = await freshDatabase('guards');
  await query(
    database.url,
    'CREATE TABLE other (a int); CREATE TABLE tags (a int, b text); INSERT INTO tags SELECT g, g FROM generate_series(1, 100) g',
  );
});
afterEach(() => database.drop());

describe('a table that changes between plan and dump', () => {
  it.each([
    ['truncated', 'TRUNCATE tags', 'SourceChanged', /table public.tags was truncated or rewritten/],
    ['rewritten', 'ALTER TABLE tags ALTER a TYPE bigint', 'SourceChanged', /table public.tags was truncated or rewritten/],
    ['dropped', 'DROP TABLE tags', 'SourceChanged', /public\.tags.*does not exist/],
    [
      'made anew',
      'DROP TABLE tags; CREATE TABLE tags (a int, b text)',
      'SourceChanged',
      /table public.tags was dropped, renamed or made anew/,
    ],
    [
      'renamed',
      'ALTER TABLE tags RENAME TO labels; ALTER TABLE other RENAME TO tags',
      'SourceChanged',
      /public\.(tags was dropped, renamed or made anew|other.* does not exist)/,
    ],
    ['without a column', 'ALTER TABLE tags DROP b', 'SourceChanged', /reading table public.tags: column "b" does not exist/],
  ])('%s: the backup fails by name', async (_what, sql, code, message) => {
    const failure = dumpDatabase(database.url, { planned: () => query(database.url, sql) });
    await expect(failure).rejects.toMatchObject({ code, message: expect.stringMatching(message), hint: expect.stringMatching(/./) });
  });

  it('with rows added and removed and a column more: the backup has what the instant saw', async () => {
    const { digests } = await dumpDatabase(database.url, {
      planned: async () => {
        await query(
          database.url,
          "INSERT INTO tags VALUES (1000, 'late'); DELETE FROM tags WHERE a < 50; ALTER TABLE tags ADD c int DEFAULT 5",
        );
        await query(database.url, 'VACUUM tags');
      },
    });
    expect(digests.find(({ name }) => name === 'public.tags')?.rows).toBe('100');
  });

  it('locked by a migration: busy, to be tried again', async () => {
    const migration = new Client({ connectionString: database.url });
    await migration.connect();
    await migration.query('BEGIN');
    const failure = dumpDatabase(database.url, { planned: () => migration.query('LOCK TABLE tags').then(() => {}) });
    await expect(failure.finally(() => migration.end())).rejects.toMatchObject({
      code: 'SourceBusy',
      retryable: true,
      message: 'dumping the pre-data definitions: waited 10 s for a lock on a table',
    });
  }, 30_000);
});

describe('a dump that is interrupted', () => {
  it('by the end of the server fails as a lost connection', async () => {
    const server = await ownServer();
    await query(server.url, `CREATE TABLE big AS SELECT g, repeat(md5(g::text), 60) AS pad FROM generate_series(1, 20000) g`);
    let killed: Promise<void> | undefined;
    const sink = collector(async (bytes) => {
      if (bytes < 1_000_000) return;
      killed ??= server.kill();
      await killed;
    });
    const failure = await dumpDatabase(server.url, { sink }).catch((error: unknown) => error);
    expect(isLifeboatError(failure, 'ConnectionLost'), String(failure)).toBe(true);
    expect(killed).toBeDefined();
  });

  it('by the store fails with what the store said, and leaves no session behind', async () => {
    await query(database.url, `CREATE TABLE big AS SELECT g, repeat(md5(g::text), 60) AS pad FROM generate_series(1, 20000) g`);
    const full = new Error('no space left');
    const sink = collector((bytes) => {
      if (bytes > 1_000_000) throw full;
    });
    await expect(dumpDatabase(database.url, { sink })).rejects.toBe(full);
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await expect
      .poll(
        async () =>
          (await client.query("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'lifeboat'"))
            .rowCount,
      )
      .toBe(0);
    await client.end();
  });
});
