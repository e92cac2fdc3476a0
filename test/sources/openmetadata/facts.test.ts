import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCatalogue } from '../../../src/local/demo/catalogue.ts';
import { DEMO_FERNET_KEY, fernet } from '../../../src/local/demo/fernet.ts';
import { collectFacts } from '../../../src/sources/openmetadata/facts.ts';
import { decrypts } from '../../../src/sources/openmetadata/fernet.ts';
import { tableOfType } from '../../../src/sources/openmetadata/relationships.ts';
import { type FreshDatabase, freshDatabase } from '../../support/postgres.ts';

const OTHER_KEY = Buffer.alloc(32, 7).toString('base64');

let database: FreshDatabase;
let client: Client;
const query = async (sql: string): Promise<readonly unknown[]> => (await client.query(sql)).rows;
const facts = async (fernetKey?: string): Promise<Record<string, string>> =>
  Object.fromEntries((await collectFacts(query, fernetKey === undefined ? {} : { fernetKey })).map(({ name, value }) => [name, value]));
/** What the facts become when `sql` has run; undone afterwards. */
const factsAfter = async (sql: string): Promise<Record<string, string>> => {
  await client.query('BEGIN');
  try {
    await client.query(sql);
    return await facts();
  } finally {
    await client.query('ROLLBACK');
  }
};

beforeAll(async () => {
  database = await freshDatabase('facts');
  await createCatalogue(database.url, { tables: 60 });
  client = new Client({ connectionString: database.url });
  await client.connect();
}, 30_000);
afterAll(async () => {
  await client.end();
  await database.drop();
});

describe('what OpenMetadata says of itself', () => {
  it('is nothing where there is none', async () => {
    const other = await freshDatabase('plain');
    const plain = new Client({ connectionString: other.url });
    await plain.connect();
    await plain.query('CREATE TABLE server_change_log (version text, checksum text)');
    expect(await collectFacts(async (sql) => (await plain.query(sql)).rows)).toEqual([]);
    await plain.end();
    await other.drop();
  });

  it('has the newest version, not the last one in the order of text', async () => {
    expect((await facts())['openmetadata.version']).toBe('1.13.4');
    expect(await factsAfter(`DELETE FROM server_change_log WHERE version LIKE '1.13%'`)).toMatchObject({
      'openmetadata.version': '1.12.0',
    });
  });

  it('notices a changed set of migrations', async () => {
    const before = (await facts())['openmetadata.migrations'];
    const changed = await factsAfter(`UPDATE server_change_log SET checksum = 'x' WHERE version = '1.9.0'`);
    expect(changed['openmetadata.migrations']).not.toBe(before);
  });

  it('counts entities by table', async () => {
    expect(await facts()).toMatchObject({ 'openmetadata.entities.table_entity': '60' });
    expect(await factsAfter(`DELETE FROM table_entity WHERE id = (SELECT min(id) FROM table_entity)`)).toMatchObject({
      'openmetadata.entities.table_entity': '59',
    });
  });

  it('counts references to what is not there', async () => {
    const whole = await facts();
    const cut = await factsAfter('DELETE FROM table_entity; DELETE FROM tag; DELETE FROM user_entity');
    for (const name of ['relationships-without-entity', 'labels-without-tag', 'extensions-without-entity']) {
      expect(whole[`openmetadata.${name}`]).toBeDefined();
      expect(cut[`openmetadata.${name}`], name).not.toBe(whole[`openmetadata.${name}`]);
    }
    expect(cut['openmetadata.relationships-without-entity']).toMatch(/table: \d+/);
  });

  it('has the time of the newest change', async () => {
    expect((await facts())['openmetadata.newest-change-event']).toMatch(/^\d{13}$/);
    expect(await factsAfter('DELETE FROM change_event')).toMatchObject({ 'openmetadata.newest-change-event': 'none' });
  });

  it('tells whether the key opens the secrets, and never the key', async () => {
    const right = await facts(DEMO_FERNET_KEY);
    expect(right).toMatchObject({
      'openmetadata.fernet-key': expect.stringMatching(/^[0-9a-f]{12}$/),
      'openmetadata.fernet-key-opens-secrets': 'yes',
    });
    const wrong = await facts(OTHER_KEY);
    expect(wrong).toMatchObject({ 'openmetadata.fernet-key-opens-secrets': 'no' });
    expect(wrong['openmetadata.fernet-key']).not.toBe(right['openmetadata.fernet-key']);
    expect(await facts(`${OTHER_KEY},${DEMO_FERNET_KEY}`)).toMatchObject({ 'openmetadata.fernet-key-opens-secrets': 'yes' });
    expect(JSON.stringify([right, wrong])).not.toContain(DEMO_FERNET_KEY.slice(0, 10));
    await expect(facts('c2hvcnQ=')).rejects.toMatchObject({ code: 'ConfigInvalid' });
  });
});

describe('tableOfType', () => {
  const columns = new Map(
    ['table_entity', 'database_schema_entity', 'dbservice_entity', 'test_case', 'settings'].map((name) => [
      name,
      new Map([['id', name === 'settings' ? 'integer' : 'character varying']]),
    ]),
  );
  it.each([
    ['table', 'table_entity'],
    ['databaseSchema', 'database_schema_entity'],
    ['databaseService', 'dbservice_entity'],
    ['testCase', 'test_case'],
    ['settings', undefined],
    ['unheardOf', undefined],
  ])('knows where %s lives', (type, table) => {
    expect(tableOfType(type, { columns })).toBe(table);
  });
});

describe('decrypts', () => {
  const key = Buffer.from(DEMO_FERNET_KEY, 'base64');
  const token = fernet('a secret').slice('fernet:'.length);
  it('takes a token of the key and no other', () => {
    expect(decrypts(token, key)).toBe(true);
    expect(decrypts(token, Buffer.from(OTHER_KEY, 'base64'))).toBe(false);
    expect(decrypts(`${token.slice(0, 40)}A${token.slice(41)}`, key)).toBe(token[40] === 'A');
    expect(decrypts('gAAA', key)).toBe(false);
  });
});
