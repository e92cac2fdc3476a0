import { existsSync, rmSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { LifeboatError } from '../../../errors.ts';
import { type Dialect, hex, type SqlRow, type SqlSession } from './sql.ts';
import type { TableColumns } from './sql-reader.ts';
import { createTable, MARKER, TABLES } from './tables.ts';

/** How long a statement waits for another process that holds the file, in milliseconds. */
const BUSY_TIMEOUT_MS = 5000;
/** Of its pages, for who writes in many places, and for who reads in order; what was read lately is in the system's own cache. */
const WRITING_CACHE_KIB = 64 * 1024;
const READING_CACHE_KIB = 16 * 1024;

const TYPES = {
  id64: 'INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL',
  id32: 'INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL',
  i64: 'INTEGER',
  i32: 'INTEGER',
  bytes: 'BLOB',
  filename: 'BLOB',
  target: 'BLOB',
  label: 'TEXT',
  text: 'TEXT',
};

const quote = (name: string): string => `\`${name}\``;

const sqliteDialect = (prefix: string): Dialect => {
  const list = (columns: readonly string[]): string => columns.map(quote).join(', ');
  return {
    engine: 'sqlite3',
    table: (name) => quote(prefix + name),
    column: quote,
    raw: (column) => `CAST(${column} AS BLOB)`,
    bytes: (value) => `x'${hex(value)}'`,
    text: (value) => `'${value.replaceAll("'", "''")}'`,
    insertIfAbsent: (table, columns, rows) => `INSERT INTO ${table} (${list(columns)}) VALUES ${rows.join(',')} ON CONFLICT DO NOTHING`,
    insertOrAdd: (table, columns, rows, key) =>
      `INSERT INTO ${table} (${list(columns)}) VALUES ${rows.join(',')} ON CONFLICT (${key}) DO UPDATE SET ${quote(columns.at(-1) ?? '')} = ${quote(columns.at(-1) ?? '')} + excluded.${quote(columns.at(-1) ?? '')}`,
    insertOrReplace: (table, columns, rows) => `INSERT OR REPLACE INTO ${table} (${list(columns)}) VALUES ${rows.join(',')}`,
    updateFrom: (table, sets, query, on) =>
      `UPDATE ${table} AS n SET ${sets.map(([name, value]) => `${quote(name)} = ${value}`).join(', ')} FROM (${query}) q WHERE ${on}`,
    create: (only) =>
      [...TABLES, MARKER]
        .filter(({ name }) => (only === undefined ? name !== MARKER.name : name === only))
        .flatMap((table) => createTable(table, { prefix, types: TYPES, quote })),
    begin: 'BEGIN IMMEDIATE',
  };
};

export interface SqliteOptions {
  readonly path: string;
  readonly prefix: string;
  /** Made when it is not there. */
  readonly create?: boolean;
}

/** A metadata engine in a file. Fails with NoSuchDatabase when there is none. */
export const openSqlite = ({ path, prefix, create = false }: SqliteOptions): SqlSession => {
  if (!create && !existsSync(path))
    throw new LifeboatError('NoSuchDatabase', `there is no SQLite file ${path}`, {
      hint: 'Give the absolute path of the metadata engine.',
    });
  const database = attempt(path, 'opening', () => {
    const opened = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    opened.exec(`PRAGMA cache_size = -${create ? WRITING_CACHE_KIB : READING_CACHE_KIB}`);
    if (create) opened.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    return opened;
  });
  const prepare = (sql: string): StatementSync => {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    return statement;
  };
  const rows = (sql: string, doing: string): readonly SqlRow[] =>
    attempt(path, doing, () => prepare(sql).all() as unknown as readonly SqlRow[]);
  return {
    dialect: sqliteDialect(prefix),
    inProcess: database,
    rows: async (sql, doing) => rows(sql, doing),
    async run(sql, doing) {
      return attempt(path, doing, () => {
        database.exec(sql);
        return Number((prepare('SELECT changes()').all() as unknown as readonly SqlRow[])[0]?.[0] ?? 0);
      });
    },
    async tables() {
      const found = new Map<string, Set<string>>();
      const sql = `SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name LIKE '${prefix.replaceAll('_', '\\_')}%' ESCAPE '\\'`;
      for (const [table, column] of rows(sql, 'reading the schema')) {
        const name = String(table).slice(prefix.length);
        found.set(name, (found.get(name) ?? new Set()).add(String(column)));
      }
      return found satisfies TableColumns;
    },
    async beginReading() {
      attempt(path, 'beginning to read', () => database.exec('BEGIN'));
      rows('SELECT count(*) FROM sqlite_master', 'beginning to read');
    },
    isTransient: (error) => error instanceof LifeboatError && error.code === 'SourceBusy',
    close: async () => database.close(),
  };
};

export const removeSqlite = (path: string): void => {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true });
};

const attempt = <Result>(path: string, doing: string, work: () => Result): Result => {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof LifeboatError) throw cause;
    const message = cause instanceof Error ? cause.message : String(cause);
    if (/locked|busy/i.test(message))
      throw new LifeboatError('SourceBusy', `${path} is locked by another process while ${doing}`, {
        hint: 'Another client writes; try again.',
        cause,
      });
    if (/unable to open/i.test(message))
      throw new LifeboatError('NoSuchDatabase', `${path} cannot be opened or made`, {
        hint: 'Its folder must be there, and may be written to.',
        cause,
      });
    if (/full/i.test(message)) throw new LifeboatError('TargetFull', `no room for ${path} while ${doing}`, { cause });
    if (/not a database|malformed/i.test(message))
      throw new LifeboatError('SourceProblem', `${path} is not a SQLite database, or is damaged`, {
        hint: 'Name the file of a JuiceFS metadata engine.',
        cause,
      });
    throw new LifeboatError('SourceProblem', `${path}: ${message} while ${doing}`, { cause });
  }
};
