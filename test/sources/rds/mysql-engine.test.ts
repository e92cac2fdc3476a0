import { tmpdir } from 'node:os';
import mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareDigests, sumDigests } from '../../../src/backup/digest.ts';
import type { Manifest, Receipt, Segment } from '../../../src/backup/types.ts';
import type { Services } from '../../../src/sources/contract.ts';
import { engines } from '../../../src/sources/engines.ts';
import { type Engine, engineNamed, type Login } from '../../../src/sources/rds/engine.ts';
import { type MariadbServer, mariadbMissing, startMariadb } from '../../support/mariadb.ts';
import { backupId, backupInput, contextOf } from './driver.ts';

const missing = mariadbMissing();
const services: Services = { secret: async () => '', now: () => new Date(), temporary: tmpdir() };
const engine: Engine = engineNamed(engines, 'mariadb');

/** The double has no MySQL behind it; what a clone of one is asked for is asked of a real MariaDB here. */
describe.skipIf(missing !== undefined)(`a quiet MariaDB${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let server: MariadbServer;
  let login: Login;
  const execute = async (sql: string): Promise<void> => {
    const connection = await mysql.createConnection({ uri: server.url, multipleStatements: true });
    await connection.query(sql);
    await connection.end();
  };

  beforeAll(async () => {
    server = await startMariadb();
    const { hostname: host, port, username: user, password } = new URL(server.url);
    login = {
      host,
      port: Number(port),
      database: 'sea',
      user,
      auth: 'password',
      password: decodeURIComponent(password),
      sslmode: 'disable',
    };
    await execute(`CREATE DATABASE sea CHARACTER SET utf8mb4; USE sea;
      CREATE TABLE boats (id int PRIMARY KEY, name varchar(40) NOT NULL, size float, upper varchar(40) AS (upper(name)) VIRTUAL);
      INSERT INTO boats (id, name, size) SELECT seq, concat('boat ', seq), seq / 3 FROM seq_1_to_500;
      CREATE TABLE ports (id int AUTO_INCREMENT PRIMARY KEY, place text); INSERT INTO ports (place) VALUES ('Bergen'), ('Kiel');
      CREATE TABLE nothing (id int PRIMARY KEY);`);
  });
  afterAll(() => server.stop());

  const dump = async (): Promise<{ readonly receipts: Receipt[]; readonly segments: Segment[] }> => {
    const segments: Segment[] = [];
    const receipts: Receipt[] = [];
    const context = contextOf(backupInput(backupId('20261121T013000Z-4f2a')), receipts, segments);
    const stage = engine.dump(login, services);
    expect(stage.mode).toBe('independent');
    for await (const { task } of stage.plan(context)) {
      const part = await stage.run(JSON.parse(JSON.stringify(task)), { ...context, task: receipts.length });
      receipts.push({ task: receipts.length, part: 0, segments: part.segments, digests: part.digests, facts: part.facts });
    }
    const after = { ...context, task: 0 };
    for await (const { task } of engine.seal.plan(after)) await engine.seal.run(task, after);
    return { receipts, segments };
  };

  const audit = async (manifest: Manifest) => {
    const context = contextOf({ kind: 'restore', restore: 'r', manifest, scratch: true, overwrite: false });
    const stage = engine.audit(login, services);
    const digests = [];
    for await (const { task } of stage.plan(context)) digests.push(...(await stage.run(task, context)).digests);
    return compareDigests(manifest.digests, sumDigests(digests));
  };

  it('is dumped by independent tasks, concluded from receipts, audited as equal, and as different once damaged', async () => {
    const { receipts, segments } = await dump();
    const context = contextOf(backupInput(backupId('20261121T013000Z-4f2a')), receipts);
    const conclusion = await engine.conclude(context);
    expect(conclusion).toMatchObject({
      artifact: { format: 'MySQL script' },
      details: { passed: { way: 'quiesced' }, server: { database: 'sea' } },
    });
    expect(conclusion.guide).toContain('Nobody wrote to the server');
    expect(segments.map(({ ordinal }) => ordinal)).toEqual([...segments.map(({ ordinal }) => ordinal)].sort());
    const digests = sumDigests(receipts.flatMap((receipt) => receipt.digests));
    expect(digests.find(({ name }) => name === 'boats')).toMatchObject({ rows: '500' });
    expect(digests.map(({ name }) => name)).toContain('nothing');
    const manifest = { digests, segments, assertions: [], details: conclusion.details } as unknown as Manifest;
    expect((await audit(manifest)).filter(({ ok }) => !ok)).toEqual([]);

    const { classes } = await engine.tamper(login, services, manifest, 7, contextOf(backupInput(backupId('x'))).budget);
    expect(classes.length).toBeGreaterThan(0);
    const failed = (await audit(manifest)).filter(({ ok }) => !ok).map((check) => check.class);
    expect([...new Set(failed)].sort()).toEqual([...classes]);
  });
});
