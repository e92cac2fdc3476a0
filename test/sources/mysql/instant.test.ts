import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mysqlSource } from '../../../src/sources/mysql/source.ts';
import { freshSchema, type MariadbServer, mariadbMissing, sql, startMariadb } from '../../support/mariadb.ts';
import { addressOf, audit, backUp, restore, services } from './harness.ts';
import { parseScript } from './script-rows.ts';

const missing = mariadbMissing();

/** Transfers that leave the sum as it is, from one table to another, as fast as one connection can. */
const transfers = async (url: string, writers: number, pauseMs = 0): Promise<() => Promise<number>> => {
  let stopped = false;
  let done = 0;
  const connections = await Promise.all(
    Array.from({ length: writers }, () => mysql.createConnection({ uri: url, multipleStatements: true })),
  );
  const running = connections.map(async (connection, writer) => {
    for (let i = 0; !stopped; i++, done++) {
      const [from, to] = i % 2 === 0 ? ['left_side', 'right_side'] : ['right_side', 'left_side'];
      await connection.query(
        `BEGIN; UPDATE ${from} SET amount = amount - 1 WHERE id = ${writer}; UPDATE ${to} SET amount = amount + 1 WHERE id = ${writer}; COMMIT`,
      );
      if (pauseMs > 0) await sleep(pauseMs);
    }
  });
  return async () => {
    stopped = true;
    await Promise.all(running);
    await Promise.all(connections.map((connection) => connection.end()));
    return done;
  };
};

const BANK = `
CREATE TABLE left_side (id int PRIMARY KEY, amount bigint NOT NULL, padding longtext);
CREATE TABLE right_side LIKE left_side;
INSERT INTO left_side SELECT seq - 1, 100, repeat('x', 400) FROM seq_1_to_4000;
INSERT INTO right_side SELECT * FROM left_side;
ANALYZE TABLE left_side, right_side`;
const SUM = 4000 * 100 * 2;

describe.skipIf(missing !== undefined)(`The instant of several lanes${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let server: MariadbServer;
  let bank: string;

  const sums = (script: Buffer): number =>
    ['left_side', 'right_side'].flatMap((table) => parseScript(script, table)).reduce((sum, row) => sum + Number(row[1]), 0);
  const userWith = async (name: string, everywhere: readonly string[] = []): Promise<string> => {
    await sql(server.url, `CREATE OR REPLACE USER ${name}@'127.0.0.1' IDENTIFIED BY ''`);
    await sql(server.url, `GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON *.* TO ${name}@'127.0.0.1'`);
    for (const privilege of everywhere) await sql(server.url, `GRANT ${privilege} ON *.* TO ${name}@'127.0.0.1'`);
    return bank.replace('root@', `${name}@`);
  };

  beforeAll(async () => {
    server = await startMariadb(['--log-bin=log', '--server-id=1', '--binlog-format=ROW', '--sync-binlog=0']);
    bank = (await freshSchema(server, 'bank')).url;
    await sql(bank, BANK);
  }, 60_000);
  afterAll(() => server?.stop());

  it('needs no lock where MariaDB’s binary log proves it, and writers go on', async () => {
    const url = await userWith('monitor', ['BINLOG MONITOR']);
    const stop = await transfers(bank, 2, 3);
    for (let round = 0; round < 4; round++) {
      const { script, manifest } = await backUp(url, { lanes: 4, chunkBytes: 200_000 });
      expect(sums(script)).toBe(SUM);
      expect(manifest.pointInTime.token).toMatchObject({ way: 'binlog-snapshot', lanes: 4, lockedMs: 0, kept: null });
      const { binlog } = manifest.pointInTime.token as { binlog: { file: string; position: string } };
      expect(binlog).toEqual({ file: 'log.000001', position: expect.stringMatching(/^\d+$/) });
    }
    expect(await stop()).toBeGreaterThan(20);
  });

  it('locks the tables where writers commit between any two lanes', async () => {
    const stop = await transfers(bank, 4);
    const { script, manifest } = await backUp(bank, { lanes: 6, chunkBytes: 200_000 });
    await stop();
    expect(sums(script)).toBe(SUM);
    expect((manifest.pointInTime.token as { way: string }).way).toMatch(/^(lock-tables|binlog-snapshot)$/);
    expect(manifest.pointInTime.token).toMatchObject({ lanes: 6, binlog: { file: 'log.000001' } });
  });

  it('locks the tables for a user who may not see whether the log is filtered', async () => {
    const { manifest } = await backUp(await userWith('plain'), { lanes: 2 });
    expect(manifest.pointInTime.token).toMatchObject({ way: 'lock-tables', binlog: null });
    expect((manifest.pointInTime.token as { lockedMs: number }).lockedMs).toBeGreaterThan(0);
  });

  it('says before anything starts that the way which was asked for cannot be gone', async () => {
    const url = `${await userWith('plain')}?barrier=binlog-snapshot`;
    const { problems } = await mysqlSource(addressOf(url), services).inspect();
    expect(problems).toEqual([
      {
        code: 'BarrierImpossible',
        message: expect.stringMatching(/user "plain" may not see whether the binary log is filtered \(GRANT BINLOG MONITOR/),
        hint: expect.stringContaining('auto'),
      },
    ]);
  });

  it('takes the global lock only on request', async () => {
    const { manifest } = await backUp(`${bank}?barrier=global-lock`, { lanes: 2 });
    expect(manifest.pointInTime.token).toMatchObject({ way: 'global-lock' });
  });

  describe('with tables of other engines', () => {
    let mixed: string;
    const OTHERS = `
      CREATE TABLE notes (id int PRIMARY KEY, text longtext) ENGINE=MyISAM;
      CREATE TABLE tally (n int) ENGINE=Aria;
      CREATE TABLE plain (id int PRIMARY KEY) ENGINE=InnoDB;
      INSERT INTO notes SELECT seq, repeat(md5(seq), 50) FROM seq_1_to_2000;
      INSERT INTO tally VALUES (1), (1), (2);
      INSERT INTO plain VALUES (1)`;

    beforeAll(async () => {
      mixed = (await freshSchema(server, 'mixed')).url;
      await sql(mixed, OTHERS);
    });

    it('refuses them by name, and says what would keep them', async () => {
      const { problems } = await mysqlSource(addressOf(`${mixed}?underLock=tally`), services).inspect();
      expect(problems).toEqual([
        {
          code: 'EngineUnsupported',
          message: expect.stringContaining('notes (MyISAM)'),
          hint: expect.stringContaining('"underLock": ["notes"]'),
        },
      ]);
      expect(problems[0]?.message).not.toContain('tally');
    });

    it('reads those that are named while nobody can write to them, and only them', async () => {
      const url = `${mixed}?underLock=notes,tally`;
      expect((await mysqlSource(addressOf(url), services).inspect()).problems).toEqual([]);
      let wrote = 0;
      let waiting: Promise<unknown> = Promise.resolve();
      const backup = await backUp(url, {
        lanes: 2,
        chunkBytes: 50_000,
        claims: (own, lane) => ({
          ...own,
          async take(name) {
            // The instant is over; what is written now is not part of it.
            if (lane === 0 && name === 'barrier')
              waiting = sql(mixed, "INSERT INTO notes VALUES (90000, 'late')").then(() => (wrote = performance.now()));
            return own.take(name);
          },
        }),
      });
      await waiting;
      expect(wrote).toBeGreaterThan(0);
      const { kept, way } = backup.manifest.pointInTime.token as { kept: { tables: string[]; lockedMs: number }; way: string };
      expect(way).toBe('lock-tables');
      expect(kept).toEqual({ tables: expect.arrayContaining(['notes', 'tally']), lockedMs: expect.any(Number) });
      expect(backup.conclusion.guide).toMatch(/Until they were read, [\d.]+ ms, tables without snapshots were locked: `notes`, `tally`/);
      expect(backup.manifest.digests.map(({ name, rows }) => `${name} ${rows}`)).toEqual(['notes 2000', 'plain 1', 'tally 3']);
      await sql(mixed, 'DELETE FROM notes WHERE id = 90000');

      const target = (await freshSchema(server, 'mixed_copy')).url;
      await restore(target, backup, { only: ['prepare'] });
      // A load that was killed after some of its rows: they are not doubled by the next one.
      await sql(target, "INSERT INTO tally VALUES (7); INSERT INTO notes VALUES (1, 'half')");
      await restore(target, backup);
      expect((await audit(target, backup)).failed).toEqual([]);
      const engines = 'SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name';
      expect(await sql(target, engines)).toEqual(await sql(mixed, engines));
    });
  });
});
