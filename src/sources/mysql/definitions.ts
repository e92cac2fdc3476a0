import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import { MARKER, OWN_TABLES, type Table } from './catalog.ts';
import type { Connection } from './connect.ts';
import { OPENING, segmentSession } from './session-sql.ts';
import { identifier, literal } from './sql.ts';

const Name = z.object({ name: z.string() });

/** Present from the first statement of a load on; its row `complete` is written by the last one. */
export const markerTableSql = (): string =>
  `CREATE TABLE ${identifier(MARKER)} (item varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, detail longtext CHARACTER SET utf8mb4, at timestamp NOT NULL DEFAULT current_timestamp) ENGINE=InnoDB COMMENT='A restore by Lifeboat; without the item complete it did not end'`;

/** The artifact's first segment: the marker, sequences, tables with their keys. With foreign keys off, their order does not matter. */
export async function* tableDefinitions(connection: Connection, tables: readonly Table[]): AsyncGenerator<string> {
  yield OPENING;
  yield segmentSession(connection.product);
  yield `${markerTableSql()};\n`;
  for (const sequence of await sequences(connection)) yield sequence;
  for (const { name } of tables) {
    const sql = await shown(connection, `SHOW CREATE TABLE ${identifier(name)}`, 'Create Table', `table ${name}`);
    yield `\n${withoutDatabase(sql, connection.address.database)};\n`;
  }
}

/** MariaDB's sequences, with their next value: a default may take it from them. */
const sequences = async (connection: Connection): Promise<string[]> => {
  const names = await connection.rows(
    Name,
    `SELECT t.table_name AS name FROM information_schema.tables t WHERE ${OWN_TABLES} AND t.table_type = 'SEQUENCE' ORDER BY 1`,
    'listing the sequences',
  );
  const texts: string[] = [];
  for (const { name } of names) {
    const sql = await shown(connection, `SHOW CREATE SEQUENCE ${identifier(name)}`, 'Create Table', `sequence ${name}`);
    const [state] = await connection.query(`SELECT next_not_cached_value AS n FROM ${identifier(name)}`, `reading sequence ${name}`);
    texts.push(`\n${sql};\nDO SETVAL(${identifier(name)}, ${String(state?.['n'])}, 0);\n`);
  }
  return texts;
};

/** MariaDB names the database in `DEFAULT nextval(…)`, which would then be that of the source. */
const withoutDatabase = (sql: string, database: string): string => sql.replaceAll(`nextval(${identifier(database)}.`, 'nextval(');

const shown = async (connection: Connection, sql: string, column: string, what: string): Promise<string> => {
  const [row] = await connection.query(sql, `reading the definition of ${what}`);
  return textOf(row, column, what);
};

const Routine = z.object({ name: z.string(), kind: z.enum(['PROCEDURE', 'FUNCTION', 'PACKAGE', 'PACKAGE BODY']) });
const ViewColumn = z.object({ name: z.string(), col: z.string() });

/** The artifact's last segment but one, after the rows: routines, views, triggers, events. Each may be replayed. */
export async function* objectDefinitions(connection: Connection): AsyncGenerator<string> {
  yield segmentSession(connection.product);
  yield* routines(connection);
  yield* views(connection);
  yield* triggers(connection);
  yield* events(connection);
}

async function* routines(connection: Connection): AsyncGenerator<string> {
  const found = await connection.rows(
    Routine,
    'SELECT routine_name AS name, routine_type AS kind FROM information_schema.routines WHERE routine_schema = DATABASE() ORDER BY routine_type, routine_name',
    'listing the routines',
  );
  for (const { name, kind } of found) {
    const what = `${kind.toLowerCase()} ${name}`;
    const [row] = await connection.query(`SHOW CREATE ${kind} ${identifier(name)}`, `reading the definition of ${what}`);
    yield* compound(
      row,
      `Create ${kind === 'PACKAGE BODY' ? 'Package Body' : capitalized(kind)}`,
      what,
      `DROP ${kind} IF EXISTS ${identifier(name)}`,
    );
  }
}

/** Stand-ins with the right columns first, so that views may refer to each other in any order. */
async function* views(connection: Connection): AsyncGenerator<string> {
  const columns = await connection.rows(
    ViewColumn,
    `SELECT c.table_name AS name, c.column_name AS col FROM information_schema.columns c JOIN information_schema.views v
        ON v.table_schema = c.table_schema AND v.table_name = c.table_name
      WHERE c.table_schema = DATABASE() ORDER BY c.table_name, c.ordinal_position`,
    'listing the views',
  );
  const names = await connection.rows(
    Name,
    'SELECT table_name AS name FROM information_schema.views WHERE table_schema = DATABASE() ORDER BY 1',
    'listing the views',
  );
  const byView = Map.groupBy(columns, (column) => column.name);
  for (const { name } of names) {
    const list = (byView.get(name) ?? []).map(({ col }) => `1 AS ${identifier(col)}`);
    yield `\nCREATE OR REPLACE VIEW ${identifier(name)} AS SELECT ${list.length === 0 ? '1' : list.join(', ')};\n`;
  }
  for (const { name } of names) {
    const [row] = await connection.query(`SHOW CREATE VIEW ${identifier(name)}`, `reading the definition of view ${name}`);
    const text = textOf(row, 'Create View', `view ${name}`).replace(/^CREATE /, 'CREATE OR REPLACE ');
    yield `\nSET SESSION collation_connection = ${literal(String(row?.['collation_connection']))};\n${text};\n`;
  }
}

async function* triggers(connection: Connection): AsyncGenerator<string> {
  const found = await connection.rows(
    Name,
    `SELECT trigger_name AS name FROM information_schema.triggers WHERE trigger_schema = DATABASE()
      ORDER BY event_object_table, action_timing, event_manipulation, action_order`,
    'listing the triggers',
  );
  for (const { name } of found) {
    const [row] = await connection.query(`SHOW CREATE TRIGGER ${identifier(name)}`, `reading the definition of trigger ${name}`);
    yield* compound(row, 'SQL Original Statement', `trigger ${name}`, `DROP TRIGGER IF EXISTS ${identifier(name)}`);
  }
}

async function* events(connection: Connection): AsyncGenerator<string> {
  const found = await connection.rows(
    Name,
    'SELECT event_name AS name FROM information_schema.events WHERE event_schema = DATABASE() ORDER BY 1',
    'listing the events',
  );
  for (const { name } of found) {
    const [row] = await connection.query(`SHOW CREATE EVENT ${identifier(name)}`, `reading the definition of event ${name}`);
    yield* compound(row, 'Create Event', `event ${name}`, `DROP EVENT IF EXISTS ${identifier(name)}`);
  }
  if (found.length > 0) yield "\nSET SESSION time_zone = '+00:00';\n";
}

/** What has a body of statements: under its own sql_mode, collation and time zone, and with a delimiter that its body has not. */
function* compound(row: Record<string, unknown> | undefined, column: string, what: string, drop: string): Generator<string> {
  const text = textOf(row, column, what);
  const settings = [
    ['sql_mode', row?.['sql_mode']],
    ['collation_connection', row?.['collation_connection']],
    ['time_zone', row?.['time_zone']],
  ].flatMap(([name, value]) => (typeof value === 'string' ? [`${String(name)} = ${literal(value)}`] : []));
  let delimiter = '$$';
  while (text.includes(delimiter)) delimiter += '$';
  yield `\n${drop};\nSET SESSION ${settings.join(', ')};\nDELIMITER ${delimiter}\n${text}\n${delimiter}\nDELIMITER ;\nSET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO';\n`;
}

/** One column of a SHOW CREATE; the server answers NULL where the user may not see it. */
const textOf = (row: Record<string, unknown> | undefined, column: string, what: string): string => {
  const text = row?.[column];
  if (typeof text === 'string') return text;
  throw new LifeboatError('PermissionDenied', `no permission to read the definition of ${what}`, {
    hint: 'GRANT SHOW VIEW, TRIGGER and EVENT on the database; for routines SHOW_ROUTINE (MySQL 8) or SELECT on mysql.proc (MariaDB).',
  });
};

const capitalized = (word: string): string => word.charAt(0) + word.slice(1).toLowerCase();
