import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCatalogue } from '../../../src/local/demo/catalogue.ts';
import { forever } from '../../support/collected.ts';
import { freshDatabase, postgresUrl, query } from '../../support/postgres.ts';
import { audit, type Backup, backUp, restore, runStage, targetOf } from './restore-harness.ts';

const scratches: string[] = [];
const scratchUrl = (user = 'postgres'): string => {
  const url = new URL(postgresUrl());
  url.pathname = `/lifeboat_drill_${randomBytes(6).toString('hex')}`;
  url.username = user;
  scratches.push(url.href);
  return url.href;
};
const nameOf = (url: string): string => new URL(url).pathname.slice(1);
const exists = async (url: string): Promise<boolean> => {
  const client = new Client({ connectionString: postgresUrl() });
  await client.connect();
  try {
    return (await client.query('SELECT FROM pg_database WHERE datname = $1', [nameOf(url)])).rowCount === 1;
  } finally {
    await client.end();
  }
};
/** A copy of a restored scratch database, which is quicker than another restore. */
const copyOf = async (url: string, owner = 'postgres'): Promise<string> => {
  const copy = scratchUrl(owner);
  await query(postgresUrl(), `CREATE DATABASE ${nameOf(copy)} TEMPLATE ${nameOf(url)} OWNER ${owner}`);
  return copy;
};

let backup: Backup;
let restored: string;
beforeAll(async () => {
  const source = await freshDatabase('source');
  await createCatalogue(source.url, { tables: 40 });
  backup = await backUp(source.url);
  await source.drop();
  restored = scratchUrl();
  await restore(restored, backup, { scratch: true });
}, 60_000);
afterAll(async () => {
  for (const url of scratches) await query(postgresUrl(), `DROP DATABASE IF EXISTS ${nameOf(url)} WITH (FORCE)`);
});

describe('a scratch database', () => {
  it('is made by the restore and passes the audit', async () => {
    expect((await audit(restored, backup)).failed).toEqual([]);
  });

  it('is empty before it is there', async () => {
    expect(await targetOf(scratchUrl()).inspect()).toMatchObject({ empty: true });
  });

  it('must have the name of one', async () => {
    const other = await freshDatabase('no_scratch');
    await expect(restore(other.url, backup, { scratch: true })).rejects.toMatchObject({ code: 'TargetUnusable', hint: expect.any(String) });
    await expect(targetOf(other.url).tamper(backup.manifest, 1, forever)).rejects.toMatchObject({ code: 'TargetUnusable' });
    await expect(runStage(targetOf(other.url).discard, backup)).rejects.toMatchObject({ code: 'TargetUnusable' });
    expect(await exists(other.url)).toBe(true);
    await other.drop();
  });

  it('goes away although somebody is in it, and going away twice is no error', async () => {
    const url = await copyOf(restored);
    const visitor = new Client({ connectionString: url });
    visitor.on('error', () => {});
    await visitor.connect();
    await runStage(targetOf(url).discard, backup);
    expect(await exists(url)).toBe(false);
    await runStage(targetOf(url).discard, backup);
  });
});

describe('tampering', () => {
  it.each(Array.from({ length: 24 }, (_, i) => i * 7919))(
    'with seed %i is found by the audit, in exactly the classes that it says',
    async (seed) => {
      const url = await copyOf(restored);
      const tampering = await targetOf(url).tamper(backup.manifest, seed, forever);
      expect(tampering.what).toHaveLength(2);
      expect(tampering.classes.length).toBeGreaterThanOrEqual(2);
      expect((await audit(url, backup)).failed).toEqual(tampering.classes);
      await runStage(targetOf(url).discard, backup);
    },
  );

  it('is done once, however often it is asked for', async () => {
    const url = await copyOf(restored);
    const first = await targetOf(url).tamper(backup.manifest, 5, forever);
    expect(await targetOf(url).tamper(backup.manifest, 5, forever)).toEqual(first);
    expect((await audit(url, backup)).failed).toEqual(first.classes);
  });

  it('chooses differently for different seeds', async () => {
    const chosen = new Set<string>();
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const url = await copyOf(restored);
      chosen.add((await targetOf(url).tamper(backup.manifest, seed, forever)).what.join());
    }
    expect(chosen.size).toBeGreaterThan(3);
  });

  it('finds something to change that triggers and foreign keys do not spread, when they cannot be turned off', async () => {
    const role = `tamperer_${randomBytes(4).toString('hex')}`;
    await query(postgresUrl(), `CREATE ROLE ${role} LOGIN CREATEDB`);
    for (const seed of [11, 12, 13, 14]) {
      const url = scratchUrl(role);
      await restore(url, backup, { scratch: true });
      const tampering = await targetOf(url).tamper(backup.manifest, seed, forever);
      expect((await audit(url, backup)).failed).toEqual(tampering.classes);
      await runStage(targetOf(url).discard, backup);
    }
    await query(postgresUrl(), `DROP ROLE ${role}`);
  }, 60_000);

  it('takes the one class that there is, without a key', async () => {
    const source = await freshDatabase('source');
    await query(source.url, `CREATE TABLE single (a int, b float8); INSERT INTO single SELECT 1, 'Infinity' FROM generate_series(1, 3)`);
    const single = await backUp(source.url);
    const url = scratchUrl();
    await restore(url, single, { scratch: true });
    expect(await targetOf(url).tamper(single.manifest, 1, forever)).toMatchObject({ classes: ['public.single'] });
    expect((await audit(url, single)).failed).toEqual(['public.single']);
    await source.drop();
  });

  it('says so when there is nothing to tamper with', async () => {
    const source = await freshDatabase('source');
    await query(source.url, 'CREATE TABLE t (a int)');
    const nothing = await backUp(source.url);
    const url = scratchUrl();
    await restore(url, nothing, { scratch: true });
    await expect(targetOf(url).tamper(nothing.manifest, 1, forever)).rejects.toMatchObject({ code: 'TargetProblem' });
    await source.drop();
  });
});

describe('the audit', () => {
  const broken = async (sql: string) => {
    const url = await copyOf(restored);
    await query(url, sql);
    const { failed, checks } = await audit(url, backup);
    return { failed, checks: checks.filter((check) => !check.ok).map((check) => check.name) };
  };

  it('sees a sequence that is behind', async () => {
    expect(await broken(`SELECT setval('edge.order_numbers', 101)`)).toEqual({ failed: [], checks: ['sequences'] });
  });

  it('sees a missing index, an invalid one, a missing trigger and an empty view', async () => {
    expect((await broken('DROP INDEX edge.every_type_json')).checks).toEqual(['postgres.indexes']);
    expect((await broken(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'edge.every_type_json'::regclass`)).checks).toEqual([
      'invalid indexes',
      'postgres.indexes',
    ]);
    expect((await broken('DROP TRIGGER note_order ON edge.orders')).checks).toEqual(['postgres.triggers']);
    expect((await broken('REFRESH MATERIALIZED VIEW edge.a_region_of_many WITH NO DATA')).checks).toEqual([
      'materialized views not filled',
    ]);
  });

  it('sees a table that is too many and one that is too few', async () => {
    expect((await broken('CREATE TABLE extra (a int)')).failed).toEqual(['public.extra']);
    expect((await broken('DROP TABLE edge.no_rows')).failed).toEqual(['edge.no_rows']);
  });

  it('sees another shape of a table without rows', async () => {
    expect((await broken('ALTER TABLE edge.no_rows RENAME b TO c')).failed).toEqual(['edge.no_rows']);
  });

  it('sees what OpenMetadata sees', async () => {
    const { checks } = await broken(`DELETE FROM server_change_log WHERE version = '1.13.4'`);
    expect(checks).toEqual(expect.arrayContaining(['openmetadata.version', 'openmetadata.migrations']));
  });
});
