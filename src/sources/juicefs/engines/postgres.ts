import pg from 'pg';
import { LifeboatError } from '../../../errors.ts';
import { type Dialect, hex, type SqlRow, type SqlSession } from './sql.ts';
import type { TableColumns } from './sql-reader.ts';
import { createTable, MARKER, TABLES } from './tables.ts';

const CONNECT_TIMEOUT_MS = 15_000;
const DEADLOCK = '40P01';
const SERIALIZATION = '40001';

const TYPES = {
  id64: 'BIGSERIAL PRIMARY KEY NOT NULL',
  id32: 'SERIAL PRIMARY KEY NOT NULL',
  i64: 'BIGINT',
  i32: 'INTEGER',
  bytes: 'BYTEA',
  filename: 'BYTEA',
  target: 'BYTEA',
  label: 'VARCHAR(255)',
  text: 'TEXT',
};

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`;

const postgresDialect = (prefix: string, schema: string): Dialect => {
  const list = (columns: readonly string[]): string => columns.map(quote).join(', ');
  const qualify = (name: string): string => `${quote(schema)}.${quote(name)}`;
  const short = (table: string): string => table.slice(table.lastIndexOf('.') + 1);
  return {
    engine: 'postgres',
    table: (name) => qualify(prefix + name),
    column: quote,
    raw: (column) => column,
    bytes: (value) => `'\\x${hex(value)}'::bytea`,
    text: literal,
    insertIfAbsent: (table, columns, rows) => `INSERT INTO ${table} (${list(columns)}) VALUES ${rows.join(',')} ON CONFLICT DO NOTHING`,
    insertOrAdd(table, columns, rows, key) {
      const last = quote(columns.at(-1) ?? '');
      return `INSERT INTO ${table} (${list(columns)}) VALUES ${rows.join(',')} ON CONFLICT (${quote(key)}) DO UPDATE SET ${last} = ${short(table)}.${last} + excluded.${last}`;
    },
    insertOrReplace: (table, columns, rows, key) =>
      `INSERT INTO ${table} (${list(columns)}) VALUES ${rows.join(',')} ON CONFLICT (${quote(key)}) DO UPDATE SET ${columns.map((name) => `${quote(name)} = excluded.${quote(name)}`).join(', ')}`,
    updateFrom: (table, sets, query, on) =>
      `UPDATE ${table} AS n SET ${sets.map(([name, value]) => `${quote(name)} = ${value}`).join(', ')} FROM (${query}) q WHERE ${on}`,
    create: (only) =>
      [...TABLES, MARKER]
        .filter(({ name }) => (only === undefined ? name !== MARKER.name : name === only))
        .flatMap((table) => createTable(table, { prefix, types: TYPES, quote, qualify })),
    begin: 'BEGIN',
  };
};

export interface PostgresPlace {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string | undefined;
  readonly tls: 'disable' | 'prefer' | 'require' | 'verify-full';
  readonly schema: string;
  readonly prefix: string;
}

export interface PostgresSession extends SqlSession {
  /** Joins the snapshot, or begins one of its own. */
  join(snapshot: string | undefined): Promise<void>;
  exportSnapshot(): Promise<string>;
}

/** A dump asks for some hundred keys at a time; without statistics, after a load, the planner would read a whole table for them. */
const BY_KEY = 'SET LOCAL enable_seqscan = off';

const NAME = /^[A-Fa-f0-9-]{1,64}$/;

/** Fails with ConnectionRefused, LoginFailed or NoSuchDatabase. */
export const openPostgres = async (place: PostgresPlace): Promise<PostgresSession> => {
  const client = await login(place, place.tls !== 'disable');
  const rows = async (sql: string, doing: string): Promise<readonly SqlRow[]> => {
    try {
      return (await client.query<SqlRow[]>({ text: sql, rowMode: 'array' })).rows as unknown as readonly SqlRow[];
    } catch (error) {
      throw mapped(error, place, doing);
    }
  };
  const run = async (sql: string, doing: string): Promise<number> => {
    try {
      return (await client.query(sql)).rowCount ?? 0;
    } catch (error) {
      throw mapped(error, place, doing);
    }
  };
  const begin = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
  await run(
    `SET bytea_output = 'hex'; SET standard_conforming_strings = on; SET client_encoding = 'UTF8'; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '30s'; SET jit = off`,
    'setting up the session',
  );
  return {
    dialect: postgresDialect(place.prefix, place.schema),
    rows,
    run,
    async tables() {
      const found = new Map<string, Set<string>>();
      const columns = await rows(
        `SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = ${literal(place.schema)} AND starts_with(table_name::text, ${literal(place.prefix)})`,
        'reading the schema',
      );
      for (const [table, column] of columns) {
        const name = String(table).slice(place.prefix.length);
        found.set(name, (found.get(name) ?? new Set()).add(String(column)));
      }
      return found satisfies TableColumns;
    },
    async beginReading() {
      await run(begin, 'beginning to read');
    },
    async join(snapshot) {
      await run(`${begin}; ${BY_KEY}`, 'beginning to read');
      if (snapshot === undefined) return;
      if (!NAME.test(snapshot)) throw new LifeboatError('InstantLost', 'the name of the snapshot is not one');
      await run(`SET TRANSACTION SNAPSHOT ${literal(snapshot)}`, 'joining the instant');
    },
    async exportSnapshot() {
      const [row] = await rows('SELECT pg_export_snapshot()', 'exporting the snapshot');
      return String(row?.[0]);
    },
    isTransient: (error) => {
      if (error instanceof LifeboatError && error.code === 'SourceBusy') return true;
      const code = sqlState(error instanceof LifeboatError ? error.cause : error);
      return code === DEADLOCK || code === SERIALIZATION;
    },
    async close() {
      await client.end().catch(() => client.connection.stream.destroy());
    },
  };
};

const login = async (place: PostgresPlace, secure: boolean): Promise<pg.Client> => {
  const client = new pg.Client({
    host: place.host,
    port: place.port,
    database: place.database,
    user: place.user,
    ...(place.password === undefined ? {} : { password: place.password }),
    ssl: secure && !place.host.startsWith('/') ? { rejectUnauthorized: place.tls === 'verify-full' } : false,
    application_name: 'lifeboat',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  // A lost connection shows where it is used next; without a listener it would end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    client.connection.stream.destroy();
    if (place.tls === 'prefer' && secure && error instanceof Error && /does not support SSL/.test(error.message))
      return login(place, false);
    throw mapped(error, place, 'connecting');
  }
};

const sqlState = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

const mapped = (cause: unknown, place: PostgresPlace, doing: string): LifeboatError => {
  const at = `${place.host}:${place.port}/${place.database}`;
  const message = cause instanceof Error ? cause.message : String(cause);
  switch (sqlState(cause)) {
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'ETIMEDOUT':
      return new LifeboatError('ConnectionRefused', `cannot reach PostgreSQL at ${place.host}:${place.port}`, {
        hint: 'Check host, port and network.',
        cause,
      });
    case '28P01':
    case '28000':
      return new LifeboatError('LoginFailed', `${at} refused user ${place.user}`, { hint: 'Check user and password.', cause });
    case '3D000':
      return new LifeboatError('NoSuchDatabase', `there is no database ${place.database} on ${place.host}:${place.port}`, { cause });
    case '42501':
      return new LifeboatError('PermissionDenied', `${at}: ${message} while ${doing}`, { cause });
    case '22023':
    case '42704':
      if (doing === 'joining the instant')
        return new LifeboatError('InstantLost', 'the exported snapshot of this backup lives no more', {
          hint: 'Start a new backup.',
          cause,
        });
      break;
    case 'ECONNRESET':
    case '57P01':
      return new LifeboatError('ConnectionLost', `${at} was lost while ${doing}`, { cause });
    case '53100':
      return new LifeboatError('TargetFull', `${at} is full while ${doing}`, { cause });
  }
  if (/terminated|Connection ended/i.test(message)) return new LifeboatError('ConnectionLost', `${at} was lost while ${doing}`, { cause });
  return new LifeboatError('SourceProblem', `${at}: ${message} while ${doing}`, { cause });
};
