import mysql from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { memoryClaims } from '../../../src/backup/claims.ts';
import type { Claims } from '../../../src/sources/contract.ts';
import { joinBarrier } from '../../../src/sources/mysql/barrier.ts';
import { connect } from '../../../src/sources/mysql/connect.ts';
import { coordinate } from '../../../src/sources/mysql/coordinator.ts';
import { getLock, holderOf, lockNames, PASSED } from '../../../src/sources/mysql/locks.ts';
import { forever } from '../../support/collected.ts';
import { type MariadbServer, mariadbMissing, sql, startMariadb } from '../../support/mariadb.ts';
import { addressOf, type DumpOptions, services, backUp as wholeBackup } from './harness.ts';

const missing = mariadbMissing();

describe.skipIf(missing !== undefined)(`MySQL, when things go wrong${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let server: MariadbServer;
  let url: string;
  /** Without its bytes, which no failed expectation should print. */
  const backUp = async (from: string, options: DumpOptions = {}) => {
    const { pointInTime, digests } = (await wholeBackup(from, options)).manifest;
    return { pointInTime, rows: digests.map(({ name, rows }) => `${name}: ${rows}`) };
  };
  let count = 0;

  beforeAll(async () => {
    server = await startMariadb();
  }, 60_000);
  afterAll(() => server?.stop());
  beforeEach(async () => {
    const name = `f${count++}`;
    await sql(server.url, `CREATE DATABASE ${name}`);
    url = `${server.url}/${name}`;
    await sql(
      url,
      `CREATE TABLE big (id int PRIMARY KEY, t longtext); INSERT INTO big SELECT seq, repeat(md5(seq), 100) FROM seq_1_to_3000;
       CREATE TABLE other LIKE big; INSERT INTO other SELECT * FROM big; CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small VALUES (1); ANALYZE TABLE big, other`,
    );
  });

  /** Does something once, when a lane is about to take its nth chunk: the instant is fixed by then. */
  const onChunk =
    (n: number, work: () => Promise<unknown>) =>
    (own: Claims): Claims => {
      let taken = 0;
      return {
        ...own,
        async take(name) {
          if (name.startsWith('chunk-') && taken++ === n) await work();
          return own.take(name);
        },
      };
    };
  const altered = (statement: string, n = 0) =>
    backUp(url, { lanes: 1, chunkBytes: 1_000_000, claims: onChunk(n, () => sql(url, statement)) });

  it.each([
    ['ALTER TABLE other ADD COLUMN x int DEFAULT 7', 'an instant ADD COLUMN, which MariaDB shows silently'],
    ['ALTER TABLE other MODIFY t mediumtext, ALGORITHM=COPY', 'a rewrite'],
    ['TRUNCATE TABLE other', 'a TRUNCATE'],
    ['DROP TABLE other', 'a DROP'],
    ['CREATE TABLE more (id int)', 'a table more'],
    ['RENAME TABLE other TO another', 'a RENAME'],
  ])('fails by name on %s', async (statement) => {
    await expect(altered(statement)).rejects.toMatchObject({ code: 'SourceChanged', message: expect.stringMatching(/other|more/) });
  });

  it('fails on what changes after the last chunk of a table was read', async () => {
    await expect(altered('ALTER TABLE big ADD COLUMN x int', 4)).rejects.toMatchObject({
      code: 'SourceChanged',
      message: expect.stringContaining('big'),
    });
  });

  it('fails on what changed between the plan and the instant', async () => {
    await expect(backUp(url, { planned: () => sql(url, 'DROP TABLE small') as Promise<never> })).rejects.toMatchObject({
      code: 'SourceChanged',
    });
    await expect(backUp(url, { planned: () => sql(url, 'ALTER TABLE big ADD COLUMN x int') as Promise<never> })).rejects.toMatchObject({
      code: 'SourceChanged',
      message: expect.stringContaining('big'),
    });
  });

  it('lets others alter a table that is read already', async () => {
    const before = Date.now();
    await altered('SET SESSION lock_wait_timeout = 1; ALTER TABLE big ADD COLUMN x int', 4).catch(() => {});
    expect(Date.now() - before).toBeLessThan(10_000);
    expect(
      await sql(url, "SELECT count(*) AS n FROM information_schema.columns WHERE table_schema = DATABASE() AND column_name = 'x'"),
    ).toEqual([{ n: '1' }]);
  });

  it('turns a connection that is lost past the barrier into InstantLost, which nothing tries again', async () => {
    const killLanes = async (): Promise<void> => {
      for (const { id } of await sql(server.url, 'SELECT trx_mysql_thread_id AS id FROM information_schema.innodb_trx'))
        await sql(server.url, `KILL ${String(id)}`).catch(() => {});
    };
    const lost = await backUp(url, { lanes: 2, chunkBytes: 1_000_000, claims: onChunk(1, killLanes) }).catch((error: unknown) => error);
    expect(lost).toMatchObject({ code: 'InstantLost', retryable: false, message: expect.stringMatching(/lane \d was lost/) });
  });

  it('refuses a lane that comes when the others are past the barrier', async () => {
    const claims = memoryClaims();
    await claims(0).take(PASSED);
    const connection = await connect(addressOf(url), services);
    await expect(
      joinBarrier({ connection, claims: claims(1), barrier: 'lb:late', lane: 1, timeoutMs: 60_000, signal: forever.signal }),
    ).rejects.toMatchObject({ code: 'InstantLost' });
    connection.destroy();
  });

  it('gives up before anything is locked when a lane does not come', async () => {
    const connection = await connect(addressOf(url), services);
    const lane = await connect(addressOf(url), services);
    const own = memoryClaims();
    const shared = { barrier: 'lb:short', timeoutMs: 300, signal: forever.signal };
    const joining = joinBarrier({ ...shared, connection: lane, claims: own(0), lane: 0 }).catch((error: unknown) => error);
    const failed = await coordinate({ ...shared, connection, claims: own(0), lanes: 2, tables: ['big'] }).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'BarrierTimeout', message: expect.stringContaining('lane 1 of 2 did not come') });
    await sql(url, 'UPDATE small SET id = 2');
    connection.destroy();
    expect(await joining).toMatchObject({ code: 'BarrierTimeout' });
    lane.destroy();
  });

  const three = async () =>
    [await connect(addressOf(url), services), await connect(addressOf(url), services), await connect(addressOf(url), services)] as const;

  it('takes new names for a second round when a lane comes late', async () => {
    const [coordinator, lane0, lane1] = await three();
    const own = memoryClaims();
    const shared = { barrier: 'lb:late', timeoutMs: 500, signal: forever.signal };
    const passed = coordinate({ ...shared, connection: coordinator, claims: own(0), lanes: 2, tables: ['big', 'other', 'small'] });
    const first = joinBarrier({ ...shared, connection: lane0, claims: own(0), lane: 0 });
    await new Promise((resolve) => setTimeout(resolve, 700));
    await Promise.all([passed, first, joinBarrier({ ...shared, connection: lane1, claims: own(1), lane: 1 })]);
    expect(await passed).toMatchObject({ lanes: 2, way: 'lock-tables' });
    for (const each of [coordinator, lane0, lane1]) each.destroy();
  });

  it('waits under the lock for a lane whose dead attempt still has its name, at one instant all the same', async () => {
    const ghost = await connect(addressOf(url), services);
    const [coordinator, lane0, lane1] = await three();
    expect(await getLock(ghost, lockNames('lb:ghost', 0).lane(1), 0)).toBe(true);
    const own = memoryClaims();
    const shared = { barrier: 'lb:ghost', timeoutMs: 3_000, signal: forever.signal };
    setTimeout(() => ghost.destroy(), 1_500);
    const writing = setInterval(() => void sql(url, 'UPDATE small SET id = id + 1').catch(() => {}), 20);
    const [passed] = await Promise.all([
      coordinate({ ...shared, connection: coordinator, claims: own(0), lanes: 2, tables: ['big', 'other', 'small'] }),
      joinBarrier({ ...shared, connection: lane0, claims: own(0), lane: 0 }),
      joinBarrier({ ...shared, connection: lane1, claims: own(1), lane: 1 }),
    ]);
    clearInterval(writing);
    expect(passed.lockedMs).toBeGreaterThan(500);
    const seen = await Promise.all([lane0, lane1].map((lane) => lane.query('SELECT id FROM small')));
    expect(seen[0]).toEqual(seen[1]);
    expect(await sql(url, 'SELECT id FROM small')).not.toEqual(seen[0]);
    for (const each of [coordinator, lane0, lane1]) each.destroy();
  }, 60_000);

  it('waits for an open transaction for a while, and lets writers go on between its tries', async () => {
    const open = await mysql.createConnection(url);
    await open.query('LOCK TABLES small WRITE');
    setTimeout(() => void open.query('UNLOCK TABLES'), 4_000);
    const backup = await backUp(url, { lanes: 2, chunkBytes: 1_000_000 });
    expect(backup.rows).toContain('small: 1');
    await open.end();
  }, 30_000);

  it('locks the whole server when asked to', async () => {
    const backup = await backUp(`${url}?barrier=global-lock`, { lanes: 2, chunkBytes: 1_000_000 });
    expect(backup.pointInTime.token).toMatchObject({ way: 'global-lock', lanes: 2 });
  });

  it('says when the lanes would not do, in the plan and while they run', async () => {
    const short = { remaining: () => 100, signal: forever.signal };
    await expect(backUp(url, { budget: short })).rejects.toMatchObject({
      code: 'TooLargeForLanes',
      message: expect.stringMatching(/minutes with 1 lanes/),
    });
    let looks = 0;
    const spent = { remaining: () => (looks++ < 3 ? 600_000 : 0), signal: forever.signal };
    await expect(backUp(url, { budget: spent, chunkBytes: 1_000_000 })).rejects.toMatchObject({
      code: 'TooLargeForLanes',
      message: expect.stringMatching(/ran out of time/),
      hint: expect.stringContaining('clone'),
    });
  });

  it('leaves no lock, no transaction and no connection behind', async () => {
    await backUp(url, { lanes: 3, chunkBytes: 1_000_000 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await sql(server.url, 'SELECT trx_id FROM information_schema.innodb_trx')).toEqual([]);
    const connection = await connect(addressOf(url), services);
    expect(await holderOf(connection, lockNames('lb:x', 0).go)).toBeNull();
    await connection.close();
    const others = await sql(
      server.url,
      "SELECT id FROM information_schema.processlist WHERE command <> 'Daemon' AND id <> connection_id()",
    );
    expect(others.length).toBeLessThan(3);
  });
});
