import type { DatabaseSync } from 'node:sqlite';
import type { TableColumns } from './sql-reader.ts';
import { tableNamed } from './tables.ts';

/** A value of a row: integers as bigint or decimal text, binary as bytes. */
export type SqlValue = bigint | number | string | Uint8Array | null;
export type SqlRow = readonly SqlValue[];

/** Where rows go. The objects are constants: what is prepared for one is kept with it. */
export interface Into {
  /** Without prefix. */
  readonly table: string;
  readonly columns: readonly string[];
  /** What becomes of a row whose key is there: it stays, the last column is added to its own, or it gives way. */
  readonly there: 'keep' | 'add' | 'replace';
}

/** One connection to a SQL engine. `sql` holds whatever it needs: numbers as they are, bytes by `dialect.bytes`. */
export interface SqlSession {
  readonly dialect: Dialect;
  /** Of an engine that runs in this process: statements that are prepared once. */
  readonly inProcess?: DatabaseSync;
  rows(sql: string, doing: string): Promise<readonly SqlRow[]>;
  /** The only column of a query, which is bytes, in any order. Absent where `rows` is as good. */
  bytes?(sql: string, doing: string): Promise<readonly Uint8Array[]>;
  /** Answers how many rows were changed. */
  run(sql: string, doing: string): Promise<number>;
  /**
   * Within a transaction. Answers how many rows came in, of those that stay when they are there. What is to be sent is made at once, and
   * sent when `after` is done, so that it is made while the server writes the rows before; it fails with `after`.
   */
  insert(into: Into, rows: readonly SqlRow[], doing: string, after?: Promise<unknown>): Promise<number>;
  /** The tables that carry the volume's prefix. */
  tables(): Promise<TableColumns>;
  /** Begins a transaction that reads one instant, and changes nothing. */
  beginReading(): Promise<void>;
  /** Whether a failed transaction may be tried again: a deadlock, a lock that took too long. */
  isTransient(error: unknown): boolean;
  close(): Promise<void>;
}

export interface Dialect {
  readonly engine: 'sqlite3' | 'postgres' | 'mysql';
  /** A table by its name without prefix, quoted. */
  table(name: string): string;
  column(name: string): string;
  bytes(value: Uint8Array): string;
  /** A column of bytes as bytes, whatever it was stored as: juicefs appends slices in SQLite so that they become text. */
  raw(column: string): string;
  /** One value of numbers, a blank behind each, and bytes. */
  pack(numbers: readonly string[], bytes: readonly string[]): string;
  /** A table `r` of directories (`parent`) and what they are called (`n`), for subqueries that look at it; absent where there are none. */
  each?(directories: readonly bigint[], numbers: readonly number[]): string;
  text(value: string): string;
  /** Sets columns of a table from a query `q` that is joined by a condition; `n` names the table's own row. */
  updateFrom(table: string, sets: readonly (readonly [column: string, value: string])[], query: string, on: string): string;
  /** Statements that make the tables of an empty volume, those of `only` when it is given. */
  create(only?: string): readonly string[];
  /** By name, what makes the indexes that come when the rows are there. */
  readonly indexes: ReadonlyMap<string, string>;
  /** Names of the indexes that are there. */
  readonly indexNames: string;
  readonly begin: string;
  /** Begins to load rows: a crash of the server may take the last of them back, until something else was written. */
  readonly beginLoading: string;
}

/** Columns that tell whether a row is there. */
export const keyOf = ({ table }: Into): readonly string[] => tableNamed(table).key;

export const integer = (value: SqlValue | undefined): bigint => {
  if (typeof value === 'bigint') return value;
  // As the text protocol has it.
  if (value instanceof Uint8Array) return BigInt(latin1(value));
  return typeof value === 'number' || typeof value === 'string' ? BigInt(value) : 0n;
};

export const small = (value: SqlValue | undefined): number => {
  if (value === null || value === undefined) return 0;
  return Number(value instanceof Uint8Array ? latin1(value) : value);
};

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

const NO_BYTES = new Uint8Array();
export const binary = (value: SqlValue | undefined): Uint8Array =>
  value instanceof Uint8Array ? value : typeof value === 'string' ? Buffer.from(value, 'utf8') : NO_BYTES;

export const string = (value: SqlValue | undefined): string =>
  typeof value === 'string' ? value : Buffer.from(binary(value)).toString('utf8');

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');

const MICROSECONDS = 1_000_000n;

/** Microseconds, and the nanoseconds within one, as seconds and nanoseconds. */
export const timeOf = (value: SqlValue | undefined, nanos: number): readonly [bigint, number] => {
  const micros = integer(value);
  const near = Number(micros);
  if (Number.isSafeInteger(near)) {
    const seconds = Math.floor(near / 1e6);
    return [BigInt(seconds), (near - seconds * 1e6) * 1000 + nanos];
  }
  let seconds = micros / MICROSECONDS;
  let rest = micros % MICROSECONDS;
  if (rest < 0n) {
    seconds -= 1n;
    rest += MICROSECONDS;
  }
  return [seconds, Number(rest) * 1000 + nanos];
};
