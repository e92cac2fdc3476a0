import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LifeboatError } from '../../../src/errors.ts';
import { createCatalogue } from '../../../src/local/demo/catalogue.ts';
import type { Budget, SegmentSource } from '../../../src/sources/contract.ts';
import { type FreshDatabase, freshDatabase, postgresUrl, query } from '../../support/postgres.ts';
import { audit, type Backup, backUp, restore, runStage, targetOf } from './restore-harness.ts';

const made: FreshDatabase[] = [];
const database = async (sql?: string): Promise<string> => {
  const fresh = await freshDatabase('restore');
  made.push(fresh);
  if (sql !== undefined) await query(fresh.url, sql);
  return fresh.url;
};
const rows = async (url: string, sql: string): Promise<Record<string, unknown>[]> => {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
};
const nameOf = (url: string): string => new URL(url).pathname.slice(1);
const terminate = (url: string): Promise<void> =>
  query(postgresUrl(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${nameOf(url)}'`);

const expectWhole = async (url: string, whole: Backup): Promise<void> => {
  const audited = await audit(url, whole);
  expect(audited.failed).toEqual([]);
  expect(audited.checks.filter((check) => !check.ok)).toEqual([]);
  expect(audited.checks.length).toBeGreaterThan(3);
  expect(await rows(url, `SELECT to_regclass('public._lifeboat') AS marker`)).toEqual([{ marker: null }]);
};

const SIZES = { chunkBytes: 64 * 1024, segmentRawBytes: 64 * 1024 };
/** Time is over at each look. */
const noTime: Budget = { remaining: () => 0, signal: new AbortController().signal };

let source: string;
let backup: Backup;
/** A few tables: for what does not depend on the schema. */
let small: Backup;
beforeAll(async () => {
  source = await database();
  await createCatalogue(source, { tables: 60 });
  backup = await backUp(source, { sizes: SIZES });
  const little = await database(`
    CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a SELECT g, repeat('x', 100) FROM generate_series(1, 3000) g;
    CREATE TABLE b (id serial PRIMARY KEY, a int REFERENCES a); INSERT INTO b (a) SELECT g FROM generate_series(1, 100) g; CREATE INDEX b_a ON b (a);`);
  small = await backUp(little, { sizes: SIZES });
}, 60_000);
afterAll(async () => {
  for (const fresh of made.splice(0)) await fresh.drop();
});

describe('a restore', () => {
  it('brings back every row and every definition', async () => {
    const target = await database();
    await restore(target, backup);
    await expectWhole(target, backup);
    const again = await backUp(target, { sizes: SIZES });
    const definitions = (of: Backup): string[] =>
      of.manifest.segments
        .filter((segment) => /pre-data|post-data/.test(JSON.stringify(segment.context)))
        .map((segment) => String(of.sink.texts.get(segment.ordinal)).replaceAll(/^-- Dumped .*$/gm, ''));
    expect(definitions(again)).toEqual(definitions(backup));
  }, 60_000);

  it('goes on and on with as little time as can be', async () => {
    const target = await database();
    await restore(target, small, { budget: () => noTime });
    await expectWhole(target, small);
    const strict = await runStage(targetOf(target).audit, small, { budget: () => noTime });
    expect(strict.some((receipt) => receipt.next !== undefined)).toBe(true);
    expect((await audit(target, small, { budget: () => noTime })).failed).toEqual([]);
  }, 60_000);

  it('works as the owner of the database, without the source’s roles', async () => {
    const target = await database();
    const role = `owner_${nameOf(target)}`;
    await query(target, `CREATE ROLE ${role} LOGIN; ALTER DATABASE ${nameOf(target)} OWNER TO ${role}`);
    const url = new URL(target);
    url.username = role;
    const done = await restore(url.href, backup);
    expect(done.get('prepare')?.[0]?.facts).toMatchObject({ skipped: { access: expect.any(Number) } });
    await expectWhole(url.href, backup);
    await made.find((one) => one.url === target)?.drop();
    await query(postgresUrl(), `DROP ROLE ${role}`);
  }, 60_000);

  it('applies owners and grants where the roles are, and counts those that are not', async () => {
    const from = await database();
    const [present, absent] = [`present_${nameOf(from)}`, `absent_${nameOf(from)}`];
    await query(
      from,
      `CREATE ROLE ${present}; CREATE ROLE ${absent};
      CREATE TABLE t (a int); ALTER TABLE t OWNER TO ${present}; GRANT SELECT ON t TO ${absent}; GRANT INSERT (a) ON t TO PUBLIC;
      CREATE TABLE u (a int); ALTER TABLE u OWNER TO ${absent}; ALTER DEFAULT PRIVILEGES FOR ROLE ${absent} GRANT SELECT ON TABLES TO ${present};`,
    );
    const whole = await backUp(from);
    await query(from, `DROP TABLE t, u; DROP OWNED BY ${absent}; DROP ROLE ${absent}`);
    const target = await database();
    const done = await restore(target, whole);
    const skipped = [...done.values()]
      .flat()
      .map((receipt) => (receipt.facts as { skipped?: { access: number } } | undefined)?.skipped?.access ?? 0);
    expect(skipped.reduce((sum, access) => sum + access)).toBe(3);
    expect(
      await rows(target, `SELECT relname, pg_get_userbyid(relowner) AS owner FROM pg_class WHERE relname IN ('t', 'u') ORDER BY 1`),
    ).toEqual([
      { relname: 't', owner: present },
      { relname: 'u', owner: 'postgres' },
    ]);
    for (const url of [from, target]) await made.find((one) => one.url === url)?.drop();
    await query(postgresUrl(), `DROP ROLE ${present}`);
  }, 30_000);
});

describe('a restore that is interrupted', () => {
  it('doubles nothing and loses nothing when its connections are killed half-way and it runs again', async () => {
    const target = await database();
    let reads = 0;
    const killing: SegmentSource = {
      async *read(segment) {
        let blocks = 0;
        for await (const block of backup.read.read(segment)) {
          if (++blocks === 1 && ++reads === 12) await terminate(target);
          yield block;
        }
      },
    };
    await expect(restore(target, backup, { read: killing })).rejects.toMatchObject({ code: 'ConnectionLost' });
    expect(await targetOf(target).inspect()).toMatchObject({ unfinished: 'arn:restore-1' });
    await restore(target, backup);
    await expectWhole(target, backup);
  }, 60_000);

  it('does nothing twice when every stage runs twice', async () => {
    const target = await database();
    const { stages } = targetOf(target);
    for (const stage of stages) {
      await runStage(stage, small);
      await runStage(stage, small);
      if (stage.name === 'finish-analyze') break;
    }
    await restore(target, small, { only: ['finish-marker'] });
    await runStage(stages.at(-1) ?? expect.fail('no stages'), small);
    await expectWhole(target, small);
  }, 30_000);

  it('keeps nothing of a segment that proves wrong at its end', async () => {
    const target = await database();
    const wrong: SegmentSource = {
      async *read(segment) {
        yield* small.read.read(segment);
        if (JSON.stringify(segment.context).includes('"data"'))
          throw new LifeboatError('SegmentMismatch', `segment ${segment.key} has another sha256`);
      },
    };
    await expect(restore(target, small, { read: wrong, parallel: 1 })).rejects.toMatchObject({ code: 'SegmentMismatch' });
    expect(await rows(target, 'SELECT (SELECT count(*)::int FROM a) AS a, (SELECT count(*)::int FROM b) AS b')).toEqual([{ a: 0, b: 0 }]);
    await restore(target, small);
    await expectWhole(target, small);
  }, 30_000);

  it('refuses a segment with fewer rows than it says', async () => {
    const target = await database();
    const short: SegmentSource = {
      async *read(segment) {
        const parts: Uint8Array[] = [];
        for await (const block of small.read.read(segment)) parts.push(block);
        yield Buffer.from(
          Buffer.concat(parts)
            .toString('latin1')
            .replace(/^7\txx*\n/m, ''),
          'latin1',
        );
      },
    };
    await expect(restore(target, small, { read: short })).rejects.toMatchObject({
      code: 'CountMismatch',
      message: expect.stringContaining('public.a'),
    });
  }, 30_000);

  it('leaves a long statement to the server and finds it again', async () => {
    const from =
      await database(`CREATE FUNCTION slow(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM pg_sleep(0.4); RETURN i; END $$;
      CREATE TABLE t (a int);`);
    await query(from, `CREATE INDEX t_slow ON t (public.slow(a)); ALTER TABLE t DISABLE TRIGGER ALL; INSERT INTO t VALUES (1), (2), (3)`);
    const whole = await backUp(from);
    const target = await database();
    for (const stage of targetOf(target).stages.slice(0, 3)) await runStage(stage, whole);
    const indexes = targetOf(target).stages.find((stage) => stage.name === 'finish-indexes') ?? expect.fail('no such stage');
    let waits = 0;
    const brief = (): Budget => {
      const end = Date.now() + 300;
      waits++;
      return { remaining: () => end - Date.now(), signal: new AbortController().signal };
    };
    const receipts = await runStage(indexes, whole, { budget: brief });
    expect(receipts.filter((receipt) => receipt.next?.afterSeconds !== undefined).length).toBeGreaterThan(0);
    expect(waits).toBeGreaterThan(2);
    expect(await rows(target, `SELECT count(*)::int AS n FROM pg_index WHERE indexrelid = 't_slow'::regclass AND indisvalid`)).toEqual([
      { n: 1 },
    ]);
    await restore(target, whole, { only: ['finish-indexes', 'finish-constraints', 'finish-views', 'finish-marker'] });
    await expectWhole(target, whole);
  }, 30_000);
});

describe('a target', () => {
  it('that is not empty is refused with what is there', async () => {
    const target = await database(
      'CREATE TABLE precious (a int); CREATE TABLE more (a int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
    );
    await expect(restore(target, small)).rejects.toMatchObject({
      code: 'TargetNotEmpty',
      message: expect.stringContaining('2 tables (public.more, …), 1 function (public.f)'),
    });
    expect(await targetOf(target).inspect()).toMatchObject({ empty: false });
    expect(await rows(target, `SELECT to_regclass('public._lifeboat') AS marker`)).toEqual([{ marker: null }]);
  });

  it('is cleaned when it is to be overwritten', async () => {
    const target =
      await database(`CREATE EXTENSION pg_trgm; CREATE SCHEMA other; CREATE TYPE other.e AS ENUM ('a'); CREATE TABLE other.t (a other.e);
      CREATE TABLE a (x int); CREATE VIEW v AS SELECT * FROM a; CREATE SEQUENCE s; SELECT lo_create(4711); CREATE PUBLICATION p;
      CREATE FUNCTION t() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$; CREATE EVENT TRIGGER et ON ddl_command_start EXECUTE FUNCTION t()`);
    await restore(target, small, { overwrite: true });
    await expectWhole(target, small);
    const fresh = await database();
    const acl = `SELECT nspname, pg_get_userbyid(nspowner) AS owner, nspacl::text AS acl FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1`;
    expect(await rows(target, acl)).toEqual(await rows(fresh, acl));
  }, 30_000);

  it('that holds another restore which did not end is refused, and can be overwritten', async () => {
    const target = await database();
    await restore(target, small, { restore: 'arn:first', only: ['prepare', 'load'] });
    await expect(restore(target, small, { restore: 'arn:second' })).rejects.toMatchObject({
      code: 'TargetUnusable',
      message: expect.stringContaining('arn:first'),
      hint: expect.stringContaining('--overwrite'),
    });
    await restore(target, small, { restore: 'arn:second', overwrite: true });
    await expectWhole(target, small);
  }, 30_000);

  it('with a table of the marker’s name that is none is refused', async () => {
    const target = await database('CREATE TABLE _lifeboat (name text)');
    await expect(restore(target, small)).rejects.toMatchObject({ code: 'TargetUnusable' });
  });

  it('that is the source’s own place is refused unless it is empty, and never overwritten', async () => {
    const place = await database('CREATE TABLE t (a int); INSERT INTO t VALUES (1)');
    const own = await backUp(place);
    await expect(restore(place, own)).rejects.toMatchObject({ code: 'TargetIsSource' });
    await expect(restore(place, own, { overwrite: true })).rejects.toMatchObject({ code: 'TargetIsSource' });
    expect(await rows(place, 'SELECT a FROM t')).toEqual([{ a: 1 }]);
    await query(place, 'DROP TABLE t');
    await expect(restore(place, own, { overwrite: true })).rejects.toMatchObject({ code: 'TargetIsSource' });
    await restore(place, own);
    await expectWhole(place, own);
  }, 30_000);

  it('that is older than the source is refused', async () => {
    const newer = { ...small, manifest: { ...small.manifest, source: { ...small.manifest.source, version: '99.1' } } };
    await expect(restore(await database(), newer)).rejects.toMatchObject({
      code: 'TargetTooOld',
      message: expect.stringContaining('PostgreSQL 99'),
    });
  });

  it('that is not there is named', async () => {
    const url = new URL(postgresUrl());
    url.pathname = '/nowhere';
    await expect(restore(url.href, small)).rejects.toMatchObject({ code: 'NoSuchDatabase' });
  });
});
