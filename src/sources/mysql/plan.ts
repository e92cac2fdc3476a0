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

/** The list of chunks, in the order of the artifact: definitions, rows (large tables first), and what comes after the rows. */
export const planChunks = async (connection: Connection, tables: readonly Table[], chunkBytes: number): Promise<Chunk[]> => {
  const total = tables.reduce((sum, table) => sum + table.bytes, 0);
  const size = Math.max(chunkBytes, Math.ceil((total * 2) / CHUNKS_MAX));
  const rows: Chunk[] = [];
  let gathered: Piece[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (gathered.length > 0) rows.push({ kind: 'rows', pieces: gathered });
    gathered = [];
    bytes = 0;
  };
  for (const table of [...tables].sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1))) {
    if (table.bytes > size && table.range !== undefined) {
      for (const piece of await cut(connection, table, table.range, size)) rows.push({ kind: 'rows', pieces: [piece] });
      continue;
    }
    if (gathered.length > 0 && (bytes + table.bytes > size || gathered.length >= TABLES_MAX)) flush();
    gathered.push({ table: table.name, from: null, to: null });
    bytes += table.bytes;
  }
  flush();
  // The facts are no segment, and slow: whoever comes second begins with them, while others read.
  return [{ kind: 'tables' }, { kind: 'facts' }, ...rows, { kind: 'objects' }];
};

/**
 * Ends of ranges, read from the index some time before the instant. They need not be exact: the ranges are disjoint and complete
 * whatever they are.
 */
const cut = async (connection: Connection, table: Table, range: Range, size: number): Promise<Piece[]> => {
  const step = Math.max(1, Math.ceil(table.rows / Math.ceil(table.bytes / size)));
  const column = identifier(range.column);
  const ends: string[] = [];
  for (let last: string | undefined; ends.length < CHUNKS_MAX; ) {
    const after = last === undefined ? `${column} IS NOT NULL` : `${column} > ${last}`;
    const [next] = await connection.query(
      `SELECT ${column} AS k FROM ${identifier(table.name)} FORCE INDEX (${identifier(range.index)}) WHERE ${after} ORDER BY ${column} LIMIT ${step}, 1`,
      `cutting table ${table.name}`,
    );
    const value = next?.['k'];
    if (value === undefined || value === null) break;
    last = range.kind === 'number' ? String(value) : literal(String(value));
    ends.push(last);
  }
  return [null, ...ends].map((from, i) => ({ table: table.name, from, to: ends[i] ?? null }));
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
export const refuseTooLarge = (tables: readonly Table[], lanes: number, remaining: number): void => {
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
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
