import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Progress } from '../../../src/backup/progress.ts';
import type { Engine } from '../../../src/cli/engine.ts';
import { parseEnvironment } from '../../../src/environment/parse.ts';
import { openSecrets } from '../../../src/environment/secrets.ts';
import { openWorld } from '../../../src/environment/world.ts';
import { makeEngine } from '../../../src/local/engine.ts';
import { openMachines } from '../../../src/local/machines.ts';
import { openPool, type Pool } from '../../../src/local/pool.ts';
import type { Ended } from '../../../src/machines/ended.ts';
import { type MariadbServer, mariadbMissing, sql, startMariadb } from '../../support/mariadb.ts';
import { EVERYTHING } from './fixtures.ts';

const missing = mariadbMissing();
const PASSWORD = 'correct-horse';

/** Money moves between two tables all the time; each instant has the same sum. */
const BANK = `
CREATE TABLE left_side (id int PRIMARY KEY, amount bigint NOT NULL, filler longtext);
CREATE TABLE right_side LIKE left_side;
INSERT INTO left_side SELECT seq, 1000, repeat(md5(seq), 60) FROM seq_1_to_4000;
INSERT INTO right_side SELECT * FROM left_side;
CREATE TABLE z_last (id int PRIMARY KEY);
INSERT INTO z_last VALUES (1)`;

describe.skipIf(missing !== undefined)(`MySQL through the state machines${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let server: MariadbServer;
  let folder: string;
  let name: string;

  beforeAll(async () => {
    server = await startMariadb(['--log-bin', '--server-id=1']);
    await sql(
      server.url,
      `CREATE USER lifeboat@'127.0.0.1' IDENTIFIED BY '${PASSWORD}';
       GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON *.* TO lifeboat@'127.0.0.1'; GRANT ALL ON \`lifeboat\\_drill\\_%\`.* TO lifeboat@'127.0.0.1';
       GRANT ALL ON restored.* TO lifeboat@'127.0.0.1'; SET GLOBAL log_bin_trust_function_creators = 1`,
    );
    folder = mkdtempSync(join(tmpdir(), 'lifeboat-mysql-'));
    writeFileSync(join(folder, 'password'), PASSWORD);
  }, 60_000);
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    name = `bank${Math.random().toString(36).slice(2, 8)}`;
    await sql(server.url, `CREATE DATABASE ${name}; CREATE OR REPLACE DATABASE restored`);
    await sql(`${server.url}/${name}`, BANK);
  });

  const environment = (fields: Record<string, unknown> = {}) => {
    const address = {
      kind: 'mysql',
      host: '127.0.0.1',
      port: server.port,
      user: 'lifeboat',
      password: `file:${folder}/password`,
      sslmode: 'disable',
    };
    return parseEnvironment(
      {
        store: `file://${folder}/${name}`,
        sources: { bank: { ...address, database: name, concurrency: 3, barrierTimeout: 20, drill: { scratch: 'drills' }, ...fields } },
        targets: { drills: { ...address, database: 'any' }, standby: { ...address, database: 'restored' } },
      },
      { name: 'test', root: folder },
    );
  };

  /** Moves money until told to stop; answers how often it did. */
  const writer = () => {
    let stop = false;
    const done = (async () => {
      const connection = await mysql.createConnection(`${server.url}/${name}`);
      let moved = 0;
      for (; !stop; moved++) {
        const id = 1 + (moved % 4000);
        await connection.query('START TRANSACTION');
        await connection.query(`UPDATE left_side SET amount = amount - ${1 + (moved % 9)} WHERE id = ${id}`);
        await connection.query(`UPDATE right_side SET amount = amount + ${1 + (moved % 9)} WHERE id = ${4001 - id}`);
        await connection.query('COMMIT');
      }
      await connection.end();
      return moved;
    })();
    // A test that fails elsewhere ends the server under it.
    done.catch(() => {});
    return async (): Promise<number> => {
      stop = true;
      return done;
    };
  };

  /** One backup, with a hand on the processes. `on` sees what the lanes tell. */
  const backUp = async (fields: Record<string, unknown>, on: (progress: Progress, pool: Pool) => void): Promise<Ended> => {
    const parsed = environment(fields);
    const report = (progress: Progress): void => on(progress, pool);
    const pool: Pool = await openPool({ environment: parsed, report });
    const world = await openWorld(parsed, report);
    try {
      return await openMachines({ environment: 'test', control: world.runtime.control, pool, report }).run(
        'backup',
        { source: 'bank' },
        new AbortController().signal,
      );
    } finally {
      await pool.close();
    }
  };

  it('backs up one instant over three processes while money moves, restores it, and drills it', { timeout: 180_000 }, async () => {
    await sql(`${server.url}/${name}`, EVERYTHING);
    const engine: Engine = await makeEngine({ environment: environment(), secrets: openSecrets({ env: process.env }) });
    const run = { report: () => {}, signal: new AbortController().signal };
    try {
      const stop = writer();
      const { backup } = await engine.backup({ source: 'bank' }, run);
      expect(await stop()).toBeGreaterThan(20);
      const manifest = JSON.parse(readFileSync(join(folder, name, 'bank/backups', backup, 'manifest.json'), 'utf8'));
      expect(manifest.pointInTime).toMatchObject({
        consistency: 'snapshot',
        token: { lanes: 3, way: 'lock-tables', gtid: expect.stringMatching(/^0-1-\d+$/) },
      });
      expect(manifest.pointInTime.token.lockedMs).toBeLessThan(5000);
      const receipts = readdirSync(join(folder, name, 'bank/backups', backup, 'receipts')).filter((key) => key.startsWith('dump.'));
      expect(receipts).toHaveLength(3);

      const restored = await engine.restore({ source: 'bank', backup, target: 'standby', overwrite: false, only: undefined }, run);
      expect(restored.checks.filter(({ ok }) => !ok)).toEqual([]);
      expect(
        await sql(`${server.url}/restored`, 'SELECT (SELECT sum(amount) FROM left_side) + (SELECT sum(amount) FROM right_side) AS total'),
      ).toEqual([{ total: '8000000' }]);

      const { proof } = await engine.drill(
        { source: 'bank', backup: undefined, selection: undefined, scratch: undefined, seed: undefined },
        run,
      );
      expect(proof.failure).toBeNull();
      expect(proof.verdict).toBe('PASSED');
      expect(proof.control).toMatchObject({ ok: true });
      expect(await sql(server.url, "SHOW DATABASES LIKE 'lifeboat\\_drill%'")).toEqual([]);

      const records = readdirSync(join(folder, name), { recursive: true, withFileTypes: true }).filter(
        (entry) => entry.isFile() && /\.(json|jsonl|html|md)$/.test(entry.name),
      );
      expect(records.length).toBeGreaterThan(20);
      for (const entry of records) expect(readFileSync(join(entry.parentPath, entry.name), 'utf8')).not.toContain(PASSWORD);
    } finally {
      await engine.close();
    }
  });

  it('fails by name when lanes are killed, and leaves no lock behind', { timeout: 120_000 }, async () => {
    let killed = 0;
    const ended = await backUp({}, (progress, pool) => {
      if (killed === 0 && progress.type === 'done' && progress.stage === 'dump') killed = pool.kill('dump-task');
    });
    expect(killed).toBeGreaterThan(0);
    expect(ended.outcome).toMatchObject({ status: 'FAILED', error: 'InstantLost' });
    expect(readdirSync(join(folder, name, 'bank/backups'), { recursive: true })).not.toContainEqual(
      expect.stringMatching(/manifest\.json$/),
    );
    await sql(
      `${server.url}/${name}`,
      'SET SESSION lock_wait_timeout = 5; ALTER TABLE left_side ADD COLUMN later int; UPDATE right_side SET amount = 0 WHERE id = 1',
    );
  });

  it('fails before anything is locked when lanes cannot come', { timeout: 120_000 }, async () => {
    // A connection for the coordinator and one lane, none for the others.
    await sql(server.url, "CREATE OR REPLACE USER few@'127.0.0.1' IDENTIFIED BY 'correct-horse' WITH MAX_USER_CONNECTIONS 2");
    await sql(server.url, "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES ON *.* TO few@'127.0.0.1'");
    const stop = writer();
    const ended = await backUp({ user: 'few', barrierTimeout: 1 }, () => {});
    expect(ended.outcome).toMatchObject({ status: 'FAILED' });
    expect(JSON.stringify(ended.outcome)).toMatch(/BarrierTimeout|SourceBusy/);
    expect(await stop()).toBeGreaterThan(20);
  });
});
