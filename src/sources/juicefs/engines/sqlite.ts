import { existsSync, rmSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { LifeboatError } from '../../../errors.ts';
import { type Dialect, hex, type Into, keyOf, type SqlRow, type SqlSession } from './sql.ts';
import type { TableColumns } from './sql-reader.ts';
import { createIndexes, createTable, MARKER, TABLES } from './tables.ts';

/** How long a statement waits for another process that holds the file, in milliseconds. */
const BUSY_TIMEOUT_MS = 5000;
/** Of its pages, for who writes in many places, and for who reads in order; what was read lately is in the system's own cache. */
const WRITING_CACHE_KIB = 8 * 1024;
const READING_CACHE_KIB = 4 * 1024;

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

const list = (columns: readonly string[]): string => columns.map(quote).join(', ');

/** Rows of one statement: each takes a call, and a statement may have 32,766 values. */
const STATEMENT_ROWS = 40;

const insertStatement = ({ table }: Dialect, into: Into, rows: number): string => {
  const { columns, there } = into;
  const one = `(${columns.map(() => '?').join()})`;
  const last = quote(columns.at(-1) ?? '');
  const conflict = {
    keep: ' ON CONFLICT DO NOTHING',
    add: ` ON CONFLICT (${list(keyOf(into))}) DO UPDATE SET ${last} = ${last} + excluded.${last}`,
    replace: '',
  }[there];
  return `INSERT${there === 'replace' ? ' OR REPLACE' : ''} INTO ${table(into.table)} (${list(columns)}) VALUES ${Array.from({ length: rows }, () => one).join()}${conflict}`;
};

/** By statements that are prepared once. */
const inserter = (database: DatabaseSync, dialect: Dialect): ((into: Into, rows: readonly SqlRow[]) => number) => {
  const prepared = new Map<Into, { readonly many: StatementSync; readonly one: StatementSync }>();
  return (into, rows) => {
    let statements = prepared.get(into);
    if (statements === undefined) {
      const [many, one] = [STATEMENT_ROWS, 1].map((count) => database.prepare(insertStatement(dialect, into, count)));
      statements = { many: many as StatementSync, one: one as StatementSync };
      prepared.set(into, statements);
    }
    let changed = 0;
    let at = 0;
    for (; at + STATEMENT_ROWS <= rows.length; at += STATEMENT_ROWS)
      changed += Number(statements.many.run(...rows.slice(at, at + STATEMENT_ROWS).flat()).changes);
    for (; at < rows.length; at++) changed += Number(statements.one.run(...(rows[at] as SqlRow)).changes);
    return changed;
  };
};

const sqliteDialect = (prefix: string): Dialect => {
  const making = { prefix, types: TYPES, quote };
  return {
    engine: 'sqlite3',
    table: (name) => quote(prefix + name),
    column: quote,
    raw: (column) => `CAST(${column} AS BLOB)`,
    // Both keep bytes as they are, whatever they call the result.
    pack: (numbers, bytes) => [`printf('${'%d '.repeat(numbers.length)}', ${numbers.join(', ')})`, ...bytes].join(' || '),
    bytes: (value) => `x'${hex(value)}'`,
    text: (value) => `'${value.replaceAll("'", "''")}'`,
    updateFrom: (table, sets, query, on) =>
      `UPDATE ${table} AS n SET ${sets.map(([name, value]) => `${quote(name)} = ${value}`).join(', ')} FROM (${query}) q WHERE ${on}`,
    create: (only) =>
      [...TABLES, MARKER]
        .filter(({ name }) => (only === undefined ? name !== MARKER.name : name === only))
        .flatMap((table) => createTable(table, making)),
    indexes: createIndexes(making),
    indexNames: `SELECT name FROM sqlite_master WHERE type = 'index'`,
    begin: 'BEGIN IMMEDIATE',
    beginLoading: 'BEGIN IMMEDIATE',
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
    if (create) opened.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000');
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
  const dialect = sqliteDialect(prefix);
  const insert = inserter(database, dialect);
  return {
    dialect,
    inProcess: database,
    rows: async (sql, doing) => rows(sql, doing),
    async run(sql, doing) {
      return attempt(path, doing, () => {
        database.exec(sql);
        return Number((prepare('SELECT changes()').all() as unknown as readonly SqlRow[])[0]?.[0] ?? 0);
      });
    },
    async insert(into, many, doing, after) {
      await after;
      return attempt(path, doing, () => insert(into, many));
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

/** Longest wait for another writer, in milliseconds. */
const HOLD_TIMEOUT_MS = 1000;

/** Lets nobody write while `work` is done: what begins to read meanwhile sees one instant. False where that cannot be, and nothing was done. */
export const holdWriters = async (path: string, work: () => Promise<unknown>): Promise<boolean> => {
  const gate = new DatabaseSync(path, { timeout: HOLD_TIMEOUT_MS });
  try {
    try {
      gate.exec('BEGIN IMMEDIATE');
    } catch {
      // Another writer is slow, or the file may only be read.
      return false;
    }
    await work();
    return true;
  } finally {
    gate.close();
  }
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
