import { createDecipheriv, createHmac } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CatalogueProgress, createCatalogue } from '../../src/local/demo/catalogue.ts';
import { DEMO_FERNET_KEY, fernet } from '../../src/local/demo/fernet.ts';
import { copyBlocks } from '../../src/local/demo/rows.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';

const SMALL = 40;

describe('createCatalogue', () => {
  let database: FreshDatabase;
  let client: Client;
  const seen: CatalogueProgress[] = [];

  beforeAll(async () => {
    database = await freshDatabase('demo');
    await createCatalogue(database.url, { tables: SMALL, onProgress: (progress) => seen.push(progress) });
    client = new Client({ connectionString: database.url });
    await client.connect();
  });

  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  const column = async (sql: string): Promise<readonly unknown[]> => {
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
    return rows.map(([value]) => value);
  };

  it('tells what it does', async () => {
    const last = new Map(seen.map((progress) => [progress.table, progress.rows]));
    expect(last.get('table_entity')).toBe(SMALL);
    expect(last.get('profiler_data_time_series')).toBe(SMALL * 8);
  });

  it('fills every table but those that are to be empty', async () => {
    const tables = await column(`SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
      WHERE relkind = 'r' AND nspname IN ('public', 'edge') ORDER BY 1`);
    const empty = [];
    for (const table of tables) if ((await column(`SELECT FROM ONLY ${table} LIMIT 1`)).length === 0) empty.push(table);
    expect(empty.sort()).toEqual(['edge.no_columns', 'edge.no_rows']);
  });

  it('has each kind of object that a backup has to carry', async () => {
    const kinds = await column(
      `SELECT DISTINCT relkind FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'edge' ORDER BY 1`,
    );
    expect(kinds).toEqual(['I', 'S', 'c', 'i', 'm', 'p', 'r', 'v']);
    expect(await column(`SELECT count(*)::int FROM pg_trigger WHERE NOT tgisinternal`)).toEqual([1]);
    expect(await column(`SELECT DISTINCT typtype::text FROM pg_type WHERE typnamespace = 'edge'::regnamespace ORDER BY 1`)).toEqual(
      expect.arrayContaining(['c', 'd', 'e']),
    );
    expect(await column(`SELECT DISTINCT contype::text FROM pg_constraint WHERE connamespace = 'edge'::regnamespace ORDER BY 1`)).toEqual(
      expect.arrayContaining(['c', 'f', 'p', 'u', 'x']),
    );
    expect(await column(`SELECT DISTINCT attidentity::text FROM pg_attribute WHERE attidentity <> '' ORDER BY 1`)).toEqual(['a', 'd']);
  });

  it('leaves no column of every type without a value', async () => {
    const columns = await column(
      `SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = 'edge.every_type'::regclass AND attnum > 0`,
    );
    for (const name of columns) {
      const [filled] = await column(`SELECT count(${name})::int FROM edge.every_type`);
      expect({ name, filled: Number(filled) >= 2 }).toEqual({ name, filled: true });
    }
  });

  it('resolves the references of its entities', async () => {
    expect(
      await column(`SELECT count(*)::int FROM entity_relationship WHERE toEntity = 'table' AND fromEntity = 'databaseSchema'
        AND NOT (EXISTS (SELECT FROM table_entity WHERE id = toId) AND EXISTS (SELECT FROM database_schema_entity WHERE id = fromId))`),
    ).toEqual([0]);
    expect(
      await column(`SELECT count(*)::int FROM table_entity WHERE databaseSchemaHash IN (SELECT fqnHash FROM database_schema_entity)`),
    ).toEqual([SMALL]);
  });

  it('labels with tags and terms that are there', async () => {
    expect(
      await column(`SELECT count(*)::int FROM tag_usage
        LEFT JOIN tag ON source = 0 AND tag.fqnHash = tagFQNHash
        LEFT JOIN glossary_term_entity AS term ON source = 1 AND term.fqnHash = tagFQNHash
        WHERE tag.id IS NULL AND term.id IS NULL`),
    ).toEqual([0]);
  });

  it('is the same for the same seed, and another for another', async () => {
    const [first, again, other] = await Promise.all(
      [7, 7, 8].map(async (seed) => {
        const made = await freshDatabase('demo');
        try {
          await createCatalogue(made.url, { tables: SMALL, seed });
          return await contentOf(made.url);
        } finally {
          await made.drop();
        }
      }),
    );
    expect(again).toEqual(first);
    expect(other?.get('table_entity')).not.toEqual(first?.get('table_entity'));
    expect(first?.size).toBeGreaterThan(30);
  });

  it('fills only what is asked for', async () => {
    const made = await freshDatabase('demo');
    try {
      expect(await createCatalogue(made.url, { tables: SMALL, only: ['table_entity'] })).toMatchObject({ rows: SMALL });
    } finally {
      await made.drop();
    }
  });
});

describe('fernet', () => {
  it('makes tokens that the key opens', () => {
    const token = Buffer.from(fernet('größe').replace('fernet:', ''), 'base64url');
    const key = Buffer.from(DEMO_FERNET_KEY, 'base64');
    const [signed, signature] = [token.subarray(0, -32), token.subarray(-32)];
    expect(createHmac('sha256', key.subarray(0, 16)).update(signed).digest()).toEqual(signature);
    const opener = createDecipheriv('aes-128-cbc', key.subarray(16), signed.subarray(9, 25));
    expect(Buffer.concat([opener.update(signed.subarray(25)), opener.final()]).toString()).toBe('größe');
  });
});

describe('copyBlocks', () => {
  it('escapes what COPY would read otherwise', () => {
    const [block] = [
      ...copyBlocks([
        ['a\tb', null, '\\N', ''],
        [1.5, true, Buffer.from([0, 255]), '\\.\r\n'],
      ]),
    ];
    expect(block?.rows).toBe(2);
    expect(block?.bytes.toString()).toBe('a\\tb\t\\N\t\\\\N\t\n1.5\ttrue\t\\\\x00ff\t\\\\.\\r\\n\n');
  });
});

/** MD5 of the sorted rows of each table. */
async function contentOf(url: string): Promise<Map<string, string>> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("SET timezone = 'UTC'");
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
       WHERE relkind IN ('r', 'm') AND nspname IN ('public', 'edge') ORDER BY 1`,
    );
    const content = new Map<string, string>();
    for (const { name } of tables) {
      const { rows } = await client.query<{ md5: string }>(
        `SELECT md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE "C"), '')) AS md5 FROM ONLY ${name} t`,
      );
      content.set(name, rows[0]?.md5 ?? '');
    }
    return content;
  } finally {
    await client.end();
  }
}
