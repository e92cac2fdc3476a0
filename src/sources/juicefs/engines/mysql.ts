import type mysql from 'mysql2/promise';
import { LifeboatError } from '../../../errors.ts';
import { type Dialect, hex, type Into, type SqlRow, type SqlSession, type SqlValue, string } from './sql.ts';
import type { TableColumns } from './sql-reader.ts';
import { createIndexes, createTable, MARKER, TABLES } from './tables.ts';

const CONNECT_TIMEOUT_MS = 15_000;
const DEADLOCK = 1213;
const LOCK_WAIT = 1205;

const TYPES = {
  id64: 'BIGINT AUTO_INCREMENT PRIMARY KEY NOT NULL',
  id32: 'INT AUTO_INCREMENT PRIMARY KEY NOT NULL',
  i64: 'BIGINT',
  i32: 'INT',
  bytes: 'BLOB',
  filename: 'VARBINARY(255)',
  target: 'VARBINARY(4096)',
  label: 'VARCHAR(255)',
  text: 'TEXT',
};

const quote = (name: string): string => `\`${name.replaceAll('`', '``')}\``;
/** With NO_BACKSLASH_ESCAPES, which the session sets. */
const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`;

const bytes = (value: Uint8Array): string => (value.length === 0 ? "''" : `x'${hex(value)}'`);

const literalOf = (value: SqlValue): string => {
  if (value === null) return 'NULL';
  if (typeof value === 'string') return literal(value);
  return value instanceof Uint8Array ? bytes(value) : String(value);
};

const insertStatement = ({ table }: Dialect, { table: name, columns, there }: Into, rows: readonly SqlRow[]): string => {
  const into = `INTO ${table(name)} (${columns.map(quote).join(', ')}) VALUES ${rows.map((row) => `(${row.map(literalOf).join()})`).join()}`;
  if (there === 'replace') return `REPLACE ${into}`;
  const [first, last] = [columns[0] ?? '', columns.at(-1) ?? ''].map(quote);
  // Not IGNORE, which would also cut what is too long.
  const set = there === 'keep' ? `${first} = ${table(name)}.${first}` : `${last} = ${last} + VALUES(${last})`;
  return `INSERT ${into} ON DUPLICATE KEY UPDATE ${set}`;
};

export const mysqlDialect = (prefix: string): Dialect => {
  const making = { prefix, types: TYPES, quote, suffix: ' DEFAULT CHARSET utf8mb4' };
  return {
    engine: 'mysql',
    table: (name) => quote(prefix + name),
    column: quote,
    raw: (column) => column,
    pack: (numbers, bytes) => `CONCAT(CONCAT_WS(' ', ${numbers.join(', ')}, ''), ${bytes.join(', ')})`,
    bytes,
    text: literal,
    updateFrom: (table, sets, query, on) =>
      `UPDATE ${table} n JOIN (${query}) q ON ${on} SET ${sets.map(([name, value]) => `n.${quote(name)} = ${value}`).join(', ')}`,
    create: (only) =>
      [...TABLES, MARKER]
        .filter(({ name }) => (only === undefined ? name !== MARKER.name : name === only))
        .flatMap((table) => createTable(table, making)),
    indexes: createIndexes(making),
    indexNames: 'SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = DATABASE()',
    begin: 'START TRANSACTION',
    beginLoading: 'START TRANSACTION',
  };
};

export interface MysqlPlace {
  readonly host: string;
  readonly port: number;
  readonly database: string | undefined;
  readonly user: string;
  readonly password: string | undefined;
  readonly tls: 'disable' | 'prefer' | 'require' | 'verify-full';
  readonly prefix: string;
}

/** MySQL or MariaDB. Fails with ConnectionRefused, LoginFailed or NoSuchDatabase. */
export const openMysql = async (place: MysqlPlace): Promise<SqlSession> => {
  const connection = await connect(place);
  const query = async (sql: string, doing: string): Promise<unknown> => {
    try {
      const [result] = await connection.query({ sql, rowsAsArray: true });
      return result;
    } catch (error) {
      throw mapped(error, place, doing);
    }
  };
  const rows = async (sql: string, doing: string): Promise<readonly SqlRow[]> => (await query(sql, doing)) as readonly SqlRow[];
  const run = async (sql: string, doing: string): Promise<number> => {
    const result = await query(sql, doing);
    return typeof result === 'object' && result !== null && 'affectedRows' in result ? Number(result.affectedRows) : 0;
  };
  await run(
    `SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', net_write_timeout = 900`,
    'setting up the session',
  );
  await run('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ', 'setting up the session');
  const dialect = mysqlDialect(place.prefix);
  return {
    dialect,
    rows,
    run,
    async insert(into, many, doing, after) {
      const sql = many.length === 0 ? '' : insertStatement(dialect, into, many);
      await after;
      return many.length === 0 ? 0 : run(sql, doing);
    },
    tables: () => readMysqlTables(rows, place.prefix),
    async beginReading() {
      await run('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY', 'beginning to read');
    },
    isTransient: (error) => {
      if (error instanceof LifeboatError && error.code === 'SourceBusy') return true;
      const number = numberOf(error instanceof LifeboatError ? error.cause : error);
      return number === DEADLOCK || number === LOCK_WAIT;
    },
    async close() {
      await connection.end().catch(() => connection.destroy());
    },
  };
};

export const readMysqlTables = async (rows: SqlSession['rows'], prefix: string): Promise<TableColumns> => {
  const found = new Map<string, Set<string>>();
  const like = literal(`${prefix.replaceAll('_', '|_')}%`);
  const columns = await rows(
    `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name LIKE ${like} ESCAPE '|'`,
    'reading the schema',
  );
  for (const [table, column] of columns) {
    const name = string(table).slice(prefix.length);
    found.set(name, (found.get(name) ?? new Set()).add(string(column)));
  }
  return found;
};

const connect = async (place: MysqlPlace): Promise<mysql.Connection> => {
  try {
    const { default: driver } = await import('mysql2/promise');
    const connection = await driver.createConnection({
      host: place.host,
      port: place.port,
      user: place.user,
      ...(place.database === undefined ? {} : { database: place.database }),
      ...(place.password === undefined ? {} : { password: place.password }),
      ...(place.host.startsWith('/') ? { socketPath: place.host } : {}),
      ...(place.tls === 'require' || place.tls === 'verify-full' ? { ssl: { rejectUnauthorized: place.tls === 'verify-full' } } : {}),
      connectTimeout: CONNECT_TIMEOUT_MS,
      charset: 'utf8mb4',
      supportBigNumbers: true,
      bigNumberStrings: true,
      flags: ['-FOUND_ROWS'],
    });
    // A lost connection shows where it is used next; without a listener it would end the process.
    connection.on('error', () => {});
    return connection;
  } catch (error) {
    throw mapped(error, place, 'connecting');
  }
};

const numberOf = (error: unknown): number | undefined =>
  typeof error === 'object' && error !== null && 'errno' in error && typeof error.errno === 'number' ? error.errno : undefined;

const ACCESS_DENIED: readonly number[] = [1045, 1044, 1698];
const NO_DATABASE = 1049;
const NOT_ALLOWED: readonly number[] = [1142, 1227];

const mapped = (cause: unknown, place: MysqlPlace, doing: string): LifeboatError => {
  const at = `${place.host}:${place.port}/${place.database ?? ''}`;
  const message = cause instanceof Error ? cause.message : String(cause);
  const number = numberOf(cause);
  if (number !== undefined && ACCESS_DENIED.includes(number))
    return new LifeboatError('LoginFailed', `${at} refused user ${place.user}`, { hint: 'Check user and password.', cause });
  if (number === NO_DATABASE)
    return new LifeboatError('NoSuchDatabase', `there is no database ${place.database} on ${place.host}:${place.port}`, { cause });
  if (number !== undefined && NOT_ALLOWED.includes(number))
    return new LifeboatError('PermissionDenied', `${at}: ${message} while ${doing}`, { cause });
  if (/ECONNREFUSED|ENOTFOUND|ETIMEDOUT/.test(message) || (cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED'))
    return new LifeboatError('ConnectionRefused', `cannot reach MySQL at ${place.host}:${place.port}`, {
      hint: 'Check host, port and network.',
      cause,
    });
  if (/PROTOCOL_CONNECTION_LOST|ECONNRESET|closed state/.test(`${message}${cause instanceof Error && 'code' in cause ? cause.code : ''}`))
    return new LifeboatError('ConnectionLost', `${at} was lost while ${doing}`, { cause });
  return new LifeboatError('SourceProblem', `${at}: ${message} while ${doing}`, { cause });
};
