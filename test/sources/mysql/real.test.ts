import mysql from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCatalogue } from '../../../src/local/demo/mysql/catalogue.ts';
import { mysqlSource } from '../../../src/sources/mysql/source.ts';
import { forever } from '../../support/collected.ts';
import { type FreshSchema, freshSchema, sql } from '../../support/mariadb.ts';
import { EVERYTHING_MYSQL } from './fixtures.ts';
import { addressOf, audit, type Backup, backUp, restore, runStage, services, targetOf } from './harness.ts';
import { parseScript } from './script-rows.ts';

/**
 * LIFEBOAT_TEST_MYSQL=mysql://user:password@host:port is a real MySQL 8 or newer, of a user who may create databases and set
 * local_infile; what is made is dropped again. Without it this is skipped.
 */
const url = process.env['LIFEBOAT_TEST_MYSQL']?.replace(/\/$/, '');

describe.skipIf(url === undefined)('A real MySQL (skipped unless LIFEBOAT_TEST_MYSQL names one)', () => {
  const server = { url: url ?? '' };
  const made: FreshSchema[] = [];
  let source: string;
  let backup: Backup;

  const database = async (prefix = 'lifeboat_test'): Promise<string> => {
    const fresh = await freshSchema(server, prefix);
    made.push(fresh);
    return fresh.url;
  };
  const checksums = async (of: string): Promise<unknown> => {
    const tables = await sql(
      of,
      "SELECT table_name AS n FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND table_name <> 'lifeboat_restore' ORDER BY 1",
    );
    const list = tables.map(({ n }) => `\`${String(n).replaceAll('`', '``')}\``).join(', ');
    return (await sql(of, `CHECKSUM TABLE ${list}`)).map((row) => row['Checksum']);
  };
  /** Definitions as the server shows them: what a backup of the copy has, less the name of the database. */
  const definitions = ({ sink, manifest }: Backup, of: string): string[] =>
    manifest.segments
      .filter(({ context }) => /"(tables|objects)"/.test(JSON.stringify((context as { kind: string }).kind)))
      .map(({ ordinal }) => (sink.texts.get(ordinal) ?? Buffer.alloc(0)).toString().replaceAll(new URL(of).pathname.slice(1), 'db'));

  beforeAll(async () => {
    source = await database();
    await sql(source, EVERYTHING_MYSQL);
    backup = await backUp(source, { lanes: 3, chunkBytes: 100_000 });
  }, 120_000);
  afterAll(async () => {
    for (const schema of made) await schema.drop();
  });

  it('is backed up under a short lock, which is the only way that it has', async () => {
    expect((await mysqlSource(addressOf(source), services).inspect()).problems).toEqual([]);
    expect(backup.tasks).toHaveLength(3);
    expect(backup.manifest.pointInTime.token).toMatchObject({ way: 'lock-tables', lanes: 3 });
    const { problems } = await mysqlSource(addressOf(`${source}?barrier=binlog-snapshot`), services).inspect();
    expect(problems).toMatchObject([{ code: 'BarrierImpossible', message: expect.stringContaining('MySQL has no') }]);
  });

  it('gives the same digests with one lane and other chunks', async () => {
    expect((await backUp(source, { lanes: 1 })).manifest.digests).toEqual(backup.manifest.digests);
  });

  it.each([
    ['LOAD DATA', 'ON'],
    ['INSERT', 'OFF'],
  ])('restores to equal checksums, digests and definitions by %s', async (_way, local) => {
    const [before] = await sql(server.url, 'SELECT @@global.local_infile AS v');
    await sql(server.url, `SET GLOBAL local_infile = ${local}`);
    try {
      const target = await database();
      await restore(target, backup);
      expect(await checksums(target)).toEqual(await checksums(source));
      const { failed, checks } = await audit(target, backup);
      expect(failed).toEqual([]);
      expect(checks.filter((check) => !check.ok)).toEqual([]);
      expect(definitions(await backUp(target), target)).toEqual(definitions(backup, source));
    } finally {
      await sql(server.url, `SET GLOBAL local_infile = ${String(before?.['v'])}`);
    }
  });

  it('loads the artifact over one connection, and keeps nothing of a cut one', async () => {
    const target = await database();
    const options = { overwrite: false, signal: forever.signal, progress: () => {} };
    const stream = async function* (bytes: Buffer) {
      for (let at = 0; at < bytes.length; at += 10_007) yield bytes.subarray(at, at + 10_007);
    };
    const cut = backup.script.subarray(0, backup.script.length - 200);
    await expect(targetOf(target).loadArtifact(stream(cut), options)).rejects.toMatchObject({ code: 'ArtifactInvalid' });
    expect((await targetOf(target).inspect()).empty).toBe(true);
    await targetOf(target).loadArtifact(stream(backup.script), options);
    expect(await checksums(target)).toEqual(await checksums(source));
  });

  it('is one instant while others write', async () => {
    const bank = await database();
    await sql(
      bank,
      `SET SESSION cte_max_recursion_depth = 10000;
       CREATE TABLE left_side (id int PRIMARY KEY, amount bigint NOT NULL, padding text);
       INSERT INTO left_side SELECT n, 100, repeat('x', 400) FROM (WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 1999) SELECT n FROM s) AS s;
       CREATE TABLE right_side LIKE left_side; INSERT INTO right_side SELECT * FROM left_side`,
    );
    const connection = await mysql.createConnection({ uri: bank, multipleStatements: true });
    let stopped = false;
    const writing = (async () => {
      for (let i = 0; !stopped; i++)
        await connection.query(
          `BEGIN; UPDATE left_side SET amount = amount - 1 WHERE id = ${i % 9}; UPDATE right_side SET amount = amount + 1 WHERE id = ${i % 9}; COMMIT`,
        );
    })();
    const { script, manifest } = await backUp(bank, { lanes: 4, chunkBytes: 100_000 });
    stopped = true;
    await writing;
    await connection.end();
    const amounts = ['left_side', 'right_side'].flatMap((table) => parseScript(script, table)).map((row) => Number(row[1]));
    expect(amounts.reduce((sum, amount) => sum + amount, 0)).toBe(2 * 2000 * 100);
    expect((manifest.pointInTime.token as { lockedMs: number }).lockedMs).toBeGreaterThan(0);
  });

  it('fails by the name of the table that was altered meanwhile', async () => {
    const busy = await database();
    await sql(
      busy,
      'CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)',
    );
    let taken = 0;
    const altering = backUp(busy, {
      claims: (own) => ({
        ...own,
        async take(name) {
          if (name.startsWith('chunk-') && taken++ === 0) await sql(busy, 'ALTER TABLE b ADD COLUMN x int DEFAULT 7');
          return own.take(name);
        },
      }),
    });
    await expect(altering).rejects.toMatchObject({ code: 'SourceChanged', message: expect.stringMatching(/\bb\b/) });
  });

  it('damages a scratch copy on exactly the classes that it names', { timeout: 120_000 }, async () => {
    const scratch = await database('lifeboat_drill_x');
    await restore(scratch, backup, { scratch: true });
    const tampering = await targetOf(scratch).tamper(backup.manifest, 1, forever);
    expect((await audit(scratch, backup)).failed).toEqual(tampering.classes);
    await runStage(targetOf(scratch).discard, backup);
  });

  it('brings an OpenMetadata back with all that it says of itself', { timeout: 120_000 }, async () => {
    const catalogue = await database();
    await createCatalogue(catalogue, { tables: 300 });
    const whole = await backUp(catalogue, { lanes: 2 });
    expect(whole.manifest.assertions.filter(({ name }) => name.startsWith('openmetadata.')).length).toBeGreaterThan(3);
    const target = await database();
    await restore(target, whole);
    const { failed, checks } = await audit(target, whole);
    expect(failed).toEqual([]);
    expect(checks.filter((check) => !check.ok)).toEqual([]);
  });
});
