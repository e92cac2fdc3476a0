import { finished } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import { LifeboatError } from '../../../errors.ts';
import { arrayOf, copyOf, kindsOf } from './postgres-rows.ts';
import { type Dialect, hex, type Into, keyOf, type SqlRow, type SqlSession } from './sql.ts';
import type { TableColumns } from './sql-reader.ts';
import { createIndexes, createTable, MARKER, TABLES } from './tables.ts';

const CONNECT_TIMEOUT_MS = 15_000;
const DEADLOCK = '40P01';
const SERIALIZATION = '40001';
const UNIQUE = '23505';
/** Fewer rows are not worth the second round trip of COPY. */
const COPY_ROWS_MIN = 16;

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
  const qualify = (name: string): string => `${quote(schema)}.${quote(name)}`;
  const making = { prefix, types: TYPES, quote, qualify };
  return {
    engine: 'postgres',
    table: (name) => qualify(prefix + name),
    column: quote,
    raw: (column) => column,
    pack: (numbers, bytes) => [`convert_to(concat_ws(' ', ${numbers.join(', ')}, ''), 'UTF8')`, ...bytes].join(' || '),
    each: (directories, numbers) => `unnest('{${directories.join(',')}}'::bigint[], '{${numbers.join(',')}}'::int[]) AS r(parent, n)`,
    bytes: (value) => `'\\x${hex(value)}'::bytea`,
    text: literal,
    updateFrom: (table, sets, query, on) =>
      `UPDATE ${table} AS n SET ${sets.map(([name, value]) => `${quote(name)} = ${value}`).join(', ')} FROM (${query}) q WHERE ${on}`,
    create: (only) =>
      [...TABLES, MARKER]
        .filter(({ name }) => (only === undefined ? name !== MARKER.name : name === only))
        .flatMap((table) => createTable(table, making)),
    indexes: createIndexes(making),
    indexNames: `SELECT indexname::text FROM pg_indexes WHERE schemaname = ${literal(schema)}`,
    begin: 'BEGIN',
    beginLoading: 'BEGIN; SET LOCAL synchronous_commit = off',
  };
};

const list = (columns: readonly string[]): string => columns.map(quote).join(', ');

/** Of one array a column. */
const insertStatement = ({ table }: Dialect, into: Into): string => {
  const { columns, there } = into;
  const sets = { keep: [], add: columns.slice(-1), replace: columns }[there].map((name) => {
    const added = there === 'add' ? `own.${quote(name)} + ` : '';
    return `${quote(name)} = ${added}excluded.${quote(name)}`;
  });
  const arrays = kindsOf(into).map((kind, i) => `$${i + 1}::${kind}[]`);
  return `INSERT INTO ${table(into.table)} AS own (${list(columns)}) SELECT * FROM unnest(${arrays.join(', ')}) ON CONFLICT ${
    there === 'keep' ? 'DO NOTHING' : `(${list(keyOf(into))}) DO UPDATE SET ${sets.join(', ')}`
  }`;
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

/** A dump asks for some thousand keys at a time, each of them once; the planner would read a whole table or index for them. */
const BY_KEY = ['seqscan', 'mergejoin', 'hashjoin', 'memoize'].map((way) => `SET LOCAL enable_${way} = off`).join('; ');

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
  const dialect = postgresDialect(place.prefix, place.schema);
  /** Tables where a row turned out to be there. COPY, which fails for that, takes half the time of INSERT. */
  const known = new Set<string>();
  const insert: SqlSession['insert'] = async (into, rows, doing, after) => {
    if (rows.length === 0) return Promise.resolve(after).then(() => 0);
    const kinds = kindsOf(into);
    const copied = rows.length >= COPY_ROWS_MIN && into.there !== 'replace' && !known.has(into.table) ? copyOf(kinds, rows) : undefined;
    const values = copied === undefined ? kinds.map((kind, column) => arrayOf(kind, rows, column)) : [];
    await after;
    try {
      if (copied === undefined) return (await client.query(insertStatement(dialect, into), values)).rowCount ?? 0;
      const copy = client.query(copyFrom(`COPY ${dialect.table(into.table)} (${list(into.columns)}) FROM STDIN BINARY`));
      copy.end(copied);
      await finished(copy);
      return copy.rowCount ?? 0;
    } catch (error) {
      if (sqlState(error) === UNIQUE) known.add(into.table);
      throw mapped(error, place, doing);
    }
  };
  const begin = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
  await run(
    `SET bytea_output = 'hex'; SET standard_conforming_strings = on; SET client_encoding = 'UTF8'; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '30s'; SET jit = off`,
    'setting up the session',
  );
  return {
    dialect,
    rows,
    run,
    async bytes(sql, doing) {
      try {
        const pieces: Buffer[] = [];
        for await (const piece of client.query(copyTo(`COPY (${sql}) TO STDOUT (FORMAT binary)`))) pieces.push(piece as Buffer);
        return onlyColumn(Buffer.concat(pieces));
      } catch (error) {
        throw mapped(error, place, doing);
      }
    },
    insert,
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
      return code === DEADLOCK || code === SERIALIZATION || code === UNIQUE;
    },
    async close() {
      await client.end().catch(() => client.connection.stream.destroy());
    },
  };
};

/** Signature, flags and the length of an extension, which is 0. */
const COPY_HEADER_BYTES = 19;
/** Of a row: the number of its columns, and the length of the only one. */
const ROW_HEADER_BYTES = 6;
const COPY_END = -1;

/** The rows of a COPY in binary format, none of them NULL. */
const onlyColumn = (copied: Buffer): Uint8Array[] => {
  const values: Uint8Array[] = [];
  for (let at = COPY_HEADER_BYTES; copied.readInt16BE(at) !== COPY_END; ) {
    const from = at + ROW_HEADER_BYTES;
    at = from + copied.readInt32BE(at + 2);
    values.push(copied.subarray(from, at));
  }
  return values;
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
  if (cause instanceof LifeboatError) return cause;
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
