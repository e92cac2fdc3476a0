/** Fills an empty PostgreSQL database with an OpenMetadata-shaped catalogue that is the same for the same seed. */
import { pipeline } from 'node:stream/promises';
import { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { activityRows } from './activity.ts';
import { fillEdge } from './edge-rows.ts';
import { ADD_VIRTUAL_COLUMN, CREATE_EDGE, FINISH_EDGE } from './edge-schema.ts';
import { entityRows } from './entities.ts';
import { housekeepingRows } from './housekeeping.ts';
import { copyBlocks, type TableRows } from './rows.ts';
import { CREATE_INDEXES, CREATE_TABLES, CREATE_TRIGRAM_INDEX } from './schema.ts';
import { worldOf } from './world.ts';

/** About 20,000 rows in all. */
export const DEMO_TABLES = 1_250;
const DEFAULT_SEED = 7;
const VIRTUAL_COLUMNS_SINCE = 180_000;

export interface CatalogueOptions {
  /** Tables that the catalogue describes; all else follows: 14 rows and 11 KB of text for each. */
  readonly tables?: number;
  readonly seed?: number;
  /** Fill these only and leave the other tables empty: for measuring one big table. */
  readonly only?: readonly string[];
  readonly onProgress?: (progress: CatalogueProgress) => void;
}

/** What one table has got so far. */
export interface CatalogueProgress {
  readonly table: string;
  readonly rows: number;
  readonly bytes: number;
}

export interface Catalogue {
  readonly rows: number;
  /** Of COPY text. */
  readonly bytes: number;
}

/** @param url of an empty database, of a user who may create everything in it */
export async function createCatalogue(url: string, options: CatalogueOptions = {}): Promise<Catalogue> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("SET timezone = 'UTC'");
    await client.query(CREATE_TABLES);
    const filled = [];
    for (const table of chosenTables(options)) filled.push(await fill(client, table, options.onProgress));
    await client.query(CREATE_INDEXES);
    if (await offersTrigrams(client)) await client.query(CREATE_TRIGRAM_INDEX);
    if (options.only === undefined) filled.push({ rows: await createEdge(client), bytes: 0 });
    await client.query('VACUUM (ANALYZE)');
    return filled.reduce((sum, { rows, bytes }) => ({ rows: sum.rows + rows, bytes: sum.bytes + bytes }));
  } finally {
    await client.end();
  }
}

function chosenTables({ tables = DEMO_TABLES, seed = DEFAULT_SEED, only }: CatalogueOptions): readonly TableRows[] {
  const world = worldOf(tables, seed);
  const all = [...housekeepingRows(world), ...entityRows(world), ...activityRows(world)];
  return only === undefined ? all : all.filter(({ table }) => only.includes(table));
}

async function fill(client: Client, { table, columns, rows }: TableRows, onProgress: CatalogueOptions['onProgress']): Promise<Catalogue> {
  const done = { rows: 0, bytes: 0 };
  async function* blocks(): AsyncGenerator<Buffer> {
    for (const block of copyBlocks(rows())) {
      yield block.bytes;
      done.rows += block.rows;
      done.bytes += block.bytes.length;
      onProgress?.({ table, ...done });
    }
  }
  await pipeline(blocks, client.query(copyFrom(`COPY ${table} (${columns.join(', ')}) FROM STDIN`)));
  return done;
}

/** @returns the number of rows that were inserted */
async function createEdge(client: Client): Promise<number> {
  const version = await serverVersion(client);
  await client.query(CREATE_EDGE);
  if (version >= VIRTUAL_COLUMNS_SINCE) await client.query(ADD_VIRTUAL_COLUMN);
  // Several statements in one query give several results, which the types of pg do not know.
  const results = [await client.query(fillEdge(version)), await client.query(FINISH_EDGE)].flat();
  return results.filter(({ command }) => command === 'INSERT').reduce((sum, { rowCount }) => sum + (rowCount ?? 0), 0);
}

async function serverVersion(client: Client): Promise<number> {
  const { rows } = await client.query<{ version: number }>("SELECT current_setting('server_version_num')::int AS version");
  return rows[0]?.version ?? 0;
}

async function offersTrigrams(client: Client): Promise<boolean> {
  const { rows } = await client.query("SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'");
  return rows.length === 1;
}
