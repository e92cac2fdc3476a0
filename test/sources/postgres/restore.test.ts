import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCatalogue } from '../../../src/local/demo/catalogue.ts';
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts';
import { type Backup, audit, backUp, restore } from './restore-harness.ts';

const made: FreshDatabase[] = [];
const database = async (prefix = 'restore'): Promise<string> => {
  const fresh = await freshDatabase(prefix);
  made.push(fresh);
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

let source: string;
let backup: Backup;
beforeAll(async () => {
  source = await database('source');
  await createCatalogue(source, { tables: 120 });
  backup = await backUp(source, { sizes: { chunkBytes: 64 * 1024, segmentRawBytes: 64 * 1024 } });
}, 60_000);
afterAll(async () => {
  for (const fresh of made.splice(0)) await fresh.drop();
});

describe('a restore', () => {
  it('brings back every row, and the audit passes', async () => {
    const target = await database();
    await restore(target, backup);
    const audited = await audit(target, backup);
    expect(audited.failed).toEqual([]);
    expect(audited.checks.filter((check) => !check.ok)).toEqual([]);
    expect(await rows(target, `SELECT to_regclass('public._lifeboat') AS marker`)).toEqual([{ marker: null }]);
  }, 60_000);
});
