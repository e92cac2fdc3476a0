/** Fills an empty MySQL or MariaDB database with the demo catalogue: the same content as on PostgreSQL, for the same seed. */
import mysql from 'mysql2/promise';
import { activityRows } from '../activity.ts';
import type { Catalogue, CatalogueOptions } from '../catalogue.ts';
import { entityRows } from '../entities.ts';
import { housekeepingRows } from '../housekeeping.ts';
import type { TableRows, Value } from '../rows.ts';
import { worldOf } from '../world.ts';
import { createTables, type Flavour, NAMES } from './schema.ts';

const DEMO_TABLES = 1_250;
const DEFAULT_SEED = 7;

/** Characters of one INSERT; below every default of max_allowed_packet. */
const STATEMENT_CHARACTERS = 512 * 1024;

/** @param url of an empty database, of a user who may create everything in it */
export async function createCatalogue(url: string, options: CatalogueOptions = {}): Promise<Catalogue> {
  const connection = await mysql.createConnection({ uri: url, charset: 'utf8mb4' });
  try {
    await connection.query("SET SESSION time_zone = '+00:00', sql_mode = '', foreign_key_checks = 0, unique_checks = 0");
    for (const statement of createTables(await flavourOf(connection))) await connection.query(statement);
    const total = { rows: 0, bytes: 0 };
    for (const table of chosenTables(options)) {
      const done = await fill(connection, table, options.onProgress);
      total.rows += done.rows;
      total.bytes += done.bytes;
    }
    return total;
  } finally {
    await connection.end();
  }
}

const flavourOf = async (connection: mysql.Connection): Promise<Flavour> => {
  const [rows] = await connection.query<mysql.RowDataPacket[]>('SELECT version() AS version');
  return /mariadb/i.test(String(rows[0]?.['version'])) ? 'mariadb' : 'mysql';
};

const chosenTables = ({ tables = DEMO_TABLES, seed = DEFAULT_SEED, only }: CatalogueOptions): readonly TableRows[] => {
  const world = worldOf(tables, seed);
  const all = [...housekeepingRows(world), ...entityRows(world), ...activityRows(world)];
  return only === undefined ? all : all.filter(({ table }) => only.includes(table));
};

const fill = async (
  connection: mysql.Connection,
  { table, columns, rows }: TableRows,
  onProgress: CatalogueOptions['onProgress'],
): Promise<Catalogue> => {
  const done = { rows: 0, bytes: 0 };
  const head = `INSERT INTO ${NAMES[table] ?? table} (${columns.map((column) => `\`${column}\``).join(', ')}) VALUES `;
  let tuples: string[] = [];
  let characters = 0;
  const send = async (): Promise<void> => {
    if (tuples.length === 0) return;
    await connection.query(head + tuples.join(','));
    done.rows += tuples.length;
    done.bytes += characters;
    onProgress?.({ table, ...done });
    tuples = [];
    characters = 0;
  };
  await connection.query('START TRANSACTION');
  for (const row of rows()) {
    const tuple = `(${row.map(literalOf).join(',')})`;
    tuples.push(tuple);
    characters += tuple.length;
    if (characters > STATEMENT_CHARACTERS) await send();
  }
  await send();
  await connection.query('COMMIT');
  return done;
};

const literalOf = (value: Value): string => {
  if (value instanceof Uint8Array) return value.length === 0 ? "''" : `0x${Buffer.from(value).toString('hex')}`;
  return mysql.escape(value);
};
