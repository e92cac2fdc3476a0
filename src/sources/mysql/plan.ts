import { LifeboatError } from '../../errors.ts';
import { MARKER, type Range, type Table } from './catalog.ts';
import type { Connection } from './connect.ts';
import { identifier, literal } from './sql.ts';
import type { Chunk, Piece } from './tasks.ts';

/** Data of one chunk by the server's estimate, in bytes: a few seconds of work, and the unit of a parallel restore. */
export const CHUNK_BYTES = 32 * 1024 * 1024;

/** Chunks of one backup at most: each lane has the list, and a task may have 1 MiB. */
const CHUNKS_MAX = 2_000;

/** Small tables of one chunk. */
const TABLES_MAX = 50;

/** What one lane reads, in bytes a second; measured at 30 MB/s and more, so that a plan errs on the safe side. */
const LANE_BYTES_PER_SECOND = 15e6;

export interface DumpPlan {
  /** In the order of the artifact: definitions, rows (large tables first), and what comes after the rows. */
  readonly chunks: Chunk[];
  /** Of all tables, as far as this can be known. */
  readonly bytes: number;
}

export const planChunks = async (connection: Connection, tables: readonly Table[], chunkBytes: number): Promise<DumpPlan> => {
  const total = tables.reduce((sum, table) => sum + table.bytes, 0);
  const size = Math.max(chunkBytes, Math.ceil((total * 2) / CHUNKS_MAX));
  const sized: (Cut & { readonly table: Table })[] = [];
  for (const table of tables) sized.push({ table, ...(await cut(connection, table, size)) });
  const pieces = sized.reduce((sum, part) => sum + part.pieces.length, 0);
  if (pieces > tables.length + CHUNKS_MAX) return planChunks(connection, tables, size * Math.ceil((2 * pieces) / CHUNKS_MAX));
  const kept: Chunk[] = [];
  const rows: Chunk[] = [];
  let gathered: Piece[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (gathered.length > 0) rows.push({ kind: 'rows', pieces: gathered, underLock: false });
    gathered = [];
    bytes = 0;
  };
  for (const { table, ...part } of sized.sort((a, b) => b.bytes - a.bytes || (a.table.name < b.table.name ? -1 : 1))) {
    // Whole, and alone: they are read one after the other by who has them locked, and loaded again from their beginning.
    if (!table.transactional) kept.push({ kind: 'rows', pieces: part.pieces, underLock: true });
    else if (part.pieces.length > 1) for (const piece of part.pieces) rows.push({ kind: 'rows', pieces: [piece], underLock: false });
    else {
      if (gathered.length > 0 && (bytes + part.bytes > size || gathered.length >= TABLES_MAX)) flush();
      gathered.push(...part.pieces);
      bytes += part.bytes;
    }
  }
  flush();
  // The facts are no segment, and slow: whoever comes second begins with them, while others read.
  const chunks: Chunk[] = [{ kind: 'tables' }, ...kept, { kind: 'facts' }, ...rows, { kind: 'objects' }];
  return { chunks, bytes: sized.reduce((sum, part) => sum + part.bytes, 0) };
};

interface Cut {
  readonly pieces: Piece[];
  readonly bytes: number;
}

/** Rows more than twice those of the statistics, and these, make the statistics old. */
const STALE_ROWS = 1_000;
/** Rows whose length is measured. */
const SAMPLE_ROWS = 100;

/**
 * Ranges of about `size` bytes. A server measures a table now and then: one that was filled since looks small, though its rows may be
 * counted already.
 */
const cut = async (connection: Connection, table: Table, size: number): Promise<Cut> => {
  const whole = [{ table: table.name, from: null, to: null }];
  const { range } = table;
  if (range === undefined || !table.transactional) return { pieces: whole, bytes: table.bytes };
  const expected = Math.ceil(table.bytes / size);
  if (expected > 1) {
    const ends = await endsOf(connection, table, range, Math.ceil(table.rows / expected), expected * 2);
    if (ends !== undefined) return { pieces: between(table, ends), bytes: table.bytes };
  }
  const rowBytes = await sampledBytes(connection, table);
  const bytes = Math.max(table.bytes, Math.ceil(table.rows * rowBytes));
  if (bytes <= size && !(await hasMoreRows(connection, table, table.rows * 2 + STALE_ROWS))) return { pieces: whole, bytes };
  const ends = (await endsOf(connection, table, range, Math.floor(size / rowBytes), CHUNKS_MAX)) ?? [];
  return { pieces: between(table, ends), bytes: Math.max(bytes, ends.length * size) };
};

const between = (table: Table, ends: readonly string[]): Piece[] =>
  [null, ...ends].map((from, i) => ({ table: table.name, from, to: ends[i] ?? null }));

const hasMoreRows = async (connection: Connection, { name }: Table, rows: number): Promise<boolean> =>
  (await connection.query(`SELECT 1 AS k FROM ${identifier(name)} LIMIT ${rows}, 1`, `counting table ${name}`)).length > 0;

/** Bytes of a row, by some of them. */
const sampledBytes = async (connection: Connection, { name, columns }: Table): Promise<number> => {
  const length = columns.map((column) => `coalesce(octet_length(${identifier(column.name)}), 0)`).join(' + ') || '1';
  const [row] = await connection.query(
    `SELECT avg(length) AS bytes FROM (SELECT ${length} AS length FROM ${identifier(name)} LIMIT ${SAMPLE_ROWS}) AS sample`,
    `measuring table ${name}`,
  );
  return Math.max(1, Number(row?.['bytes'] ?? 1));
};

/**
 * Ends of ranges of `step` rows, read from the index some time before the instant. They need not be exact: the ranges are disjoint and
 * complete whatever they are. Undefined when there are more than `most` of them while that is less than CHUNKS_MAX; else every second
 * one is left out, and the steps are twice as long from there on.
 */
const endsOf = async (connection: Connection, table: Table, range: Range, step: number, most: number): Promise<string[] | undefined> => {
  const column = identifier(range.column);
  let rows = Math.max(1, step);
  let ends: string[] = [];
  for (let last: string | undefined; ; ) {
    const after = last === undefined ? `${column} IS NOT NULL` : `${column} > ${last}`;
    const [next] = await connection.query(
      `SELECT ${column} AS k FROM ${identifier(table.name)} FORCE INDEX (${identifier(range.index)}) WHERE ${after} ORDER BY ${column} LIMIT ${rows}, 1`,
      `cutting table ${table.name}`,
    );
    const value = next?.['k'];
    if (value === undefined || value === null) return ends;
    last = range.kind === 'number' ? String(value) : literal(String(value));
    ends.push(last);
    if (ends.length <= most) continue;
    if (most < CHUNKS_MAX) return undefined;
    ends = ends.filter((_, i) => i % 2 === 1);
    rows *= 2;
  }
};

/** The condition of a piece, with its WHERE; empty for the whole table. */
export const conditionOf = ({ from, to }: Piece, range: Range | undefined): string => {
  if (range === undefined || (from === null && to === null)) return '';
  const column = identifier(range.column);
  const below = to === null ? '' : `${column} < ${to}`;
  if (from === null) return ` WHERE ${range.nullable ? `(${column} IS NULL OR ${below})` : below}`;
  return ` WHERE ${column} >= ${from}${below === '' ? '' : ` AND ${below}`}`;
};

/** Fails with TooLargeForLanes when the lanes would run out of time, before anything has begun. */
export const refuseTooLarge = (bytes: number, lanes: number, remaining: number): void => {
  const seconds = bytes / LANE_BYTES_PER_SECOND / lanes;
  if (seconds * 1000 <= remaining) return;
  throw tooLarge(`${gigabytes(bytes)} GB take about ${Math.ceil(seconds / 60)} minutes with ${lanes} lanes, more than a lane may live`);
};

export const tooLarge = (what: string): LifeboatError =>
  new LifeboatError('TooLargeForLanes', what, {
    hint: 'Raise the concurrency of this source; past that, back up a clone: restore a snapshot of the instance, and dump that one in peace.',
  });

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);

export const lockList = (tables: readonly string[]): string =>
  tables
    .filter((name) => name !== MARKER)
    .map((name) => `${identifier(name)} READ`)
    .join(', ');
