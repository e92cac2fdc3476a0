import { z } from 'zod';
import { type DigestFactory, loadDigest, sumDigests } from '../../backup/digest.ts';
import { ordinal } from '../../backup/ordinal.ts';
import { type OpenSegment, openSegment } from '../../backup/segment-stream.ts';
import type { ClassDigest, Json, Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, Services, TaskContext } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { readTables, type Table } from './catalog.ts';
import { type Connection, withConnection } from './connect.ts';
import { copyOut } from './copy-out.ts';
import { copyInSql, copyOutSql } from './copy-sql.ts';
import { changed, guardTable } from './guards.ts';
import { joinInstant } from './instant.ts';
import { SEGMENT_SESSION } from './session-sql.ts';
import { addRow, openDigests } from './table-rows.ts';
import type { Chunk } from './tasks.ts';

/** A segment is cut at the first row after this many bytes of text: the unit of a parallel restore. */
export const SEGMENT_RAW_BYTES = 256 * 1024 * 1024;

/** Segments that are still being stored while the next one is filled. */
const STORING_MAX = 1;

/** How far a task came: chunks done, rows of the next one done, segments written. */
const CursorSchema = z.strictObject({ chunk: z.int().nonnegative(), rows: z.int().nonnegative(), segments: z.int().nonnegative() });
type Position = z.output<typeof CursorSchema>;

/** What the segment's context says of one COPY in it. */
interface Copied {
  readonly schema: string;
  readonly name: string;
  readonly class: string;
  rows: number;
}

/** Reads chunks into segments until they or the time are at their end, and at least one row. */
export const dumpData = async (
  address: PostgresAddress,
  services: Services,
  chunks: readonly Chunk[],
  context: TaskContext,
  resume: Cursor | undefined,
  segmentRawBytes: number = SEGMENT_RAW_BYTES,
): Promise<Part> => {
  const from = resume === undefined ? { chunk: 0, rows: 0, segments: 0 } : CursorSchema.parse(parseJson(resume));
  const factory = await loadDigest();
  return withConnection(address, services, async (connection) => {
    await joinInstant(connection, await context.instants());
    const tables = await tablesOf(connection, chunks.slice(from.chunk));
    await connection.run(IN_ORDER_OF_PAGES);
    const writer = segmentWriter(context, from.segments, segmentRawBytes);
    const digests: ClassDigest[] = [];
    let at: Position = from;
    try {
      for (;;) {
        const chunk = chunks[at.chunk];
        if (chunk === undefined) break;
        const done = await dumpChunk(connection, { chunk, table: tableOf(tables, chunk), skip: at.rows }, { writer, factory, context });
        digests.push(...done.digests);
        at = done.complete ? { ...at, chunk: at.chunk + 1, rows: 0 } : { ...at, rows: at.rows + done.rows };
        if (!done.complete || context.budget.remaining() <= 0) break;
      }
    } catch (error) {
      await writer.abandon(error);
      throw error;
    }
    const segments = await writer.end();
    const part = { segments, digests: sumDigests(digests) };
    if (at.chunk >= chunks.length) return part;
    const next: Position = { ...at, segments: from.segments + segments.length };
    return { ...part, next: { cursor: JSON.stringify(next) as Cursor } };
  });
};

/**
 * The rows of a range come in the order of their pages, in each session that shares the snapshot; so a later one goes on with
 * OFFSET. An index-only scan would have another order.
 */
const IN_ORDER_OF_PAGES = 'SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off';

const tablesOf = async (connection: Connection, chunks: readonly Chunk[]): Promise<ReadonlyMap<number, Table>> => {
  const tables = await readTables(connection, [...new Set(chunks.map((chunk) => chunk.oid))]);
  return new Map(tables.map((table) => [table.oid, table]));
};

const tableOf = (tables: ReadonlyMap<number, Table>, chunk: Chunk): Table => {
  const table = tables.get(chunk.oid);
  if (table === undefined) throw changed(chunk, 'dropped');
  return table;
};

interface Reading {
  readonly chunk: Chunk;
  readonly table: Table;
  /** Rows of the chunk that an earlier invocation has. */
  readonly skip: number;
}

interface Means {
  readonly writer: SegmentWriter;
  readonly factory: DigestFactory;
  readonly context: TaskContext;
}

const dumpChunk = async (connection: Connection, { chunk, table, skip }: Reading, { writer, factory, context }: Means) => {
  await guardTable(connection, table);
  const digests = openDigests(factory, table);
  const doing = `reading table ${table.schema}.${table.name}`;
  let told = { rows: 0, bytes: 0 };
  let rows = 0;
  let bytes = 0;
  const tell = () => {
    context.progress({ rows: rows - told.rows, bytes: bytes - told.bytes, what: table.class });
    told = { rows, bytes };
  };
  writer.open(table);
  const result = await copyOut(
    connection,
    copyOutSql(table, chunk, skip),
    {
      row(buffer, start, end) {
        const written = addRow(digests, table, buffer, start, end);
        writer.row(buffer, written, end + 1);
        rows += 1;
        bytes += end + 1 - written;
      },
      batch() {
        if (rows > 0 && context.budget.remaining() <= 0) return 'stop';
        if (bytes - told.bytes > PROGRESS_BYTES) tell();
        return writer.between(table);
      },
    },
    doing,
    context.budget.signal,
  );
  writer.close();
  tell();
  return { ...result, digests: [digests.written.end(), ...(digests.generated === undefined ? [] : [digests.generated.end()])] };
};

const contextOf = (tables: readonly Copied[]): Json => ({
  kind: 'data',
  classes: [...new Set(tables.map((table) => table.class))],
  tables: tables.map(({ schema, name, rows }) => ({ schema, name, rows })),
});

/** Progress is told once for this many bytes of text. */
const PROGRESS_BYTES = 8 * 1024 * 1024;

interface SegmentWriter {
  /** Begins a COPY. */
  open(table: Table): void;
  row(bytes: Buffer, start: number, end: number): void;
  /** Between two rows: cuts the segment when it is large; a promise while the store is behind. */
  between(table: Table): Promise<void> | undefined;
  /** Ends a COPY. */
  close(): void;
  end(): Promise<Segment[]>;
  /** After a failure: lets the store give up what it has begun, and waits for that. */
  abandon(error: unknown): Promise<void>;
}

const segmentWriter = (context: TaskContext, first: number, rawMax: number): SegmentWriter => {
  let current: OpenSegment | undefined;
  let copied: Copied[] = [];
  let last: Copied | undefined;
  let began = first;
  const stored: Promise<Segment>[] = [];
  let storing = 0;
  let oldest: Promise<unknown> = Promise.resolve();

  const begin = (): OpenSegment => {
    const place = ordinal(context.task, began++);
    const segment = openSegment((blocks, recycle) =>
      context.write.write(place, blocks, { encoding: 'zstd', extension: 'sql.zst', recycle }),
    );
    segment.text(SEGMENT_SESSION);
    return segment;
  };
  const finish = (segment: OpenSegment) => {
    const tables = copied;
    copied = [];
    segment.end();
    storing++;
    const done = segment.written.then((written) => ({ ...written, context: contextOf(tables) }));
    oldest = done.finally(() => storing--);
    oldest.catch(() => {});
    stored.push(done);
    current = undefined;
  };
  const open = (table: Table) => {
    current ??= begin();
    current.text(`\n${copyInSql(table)};\n`);
    last = { ...table.into, class: table.class, rows: 0 };
    copied.push(last);
  };
  const close = () => {
    current?.text('\\.\n');
    if (current !== undefined && current.rawBytes >= rawMax) finish(current);
  };
  return {
    open,
    close,
    row(bytes, start, end) {
      if (current === undefined || last === undefined) throw new LifeboatError('SourceProblem', 'a row came outside of a COPY');
      last.rows += 1;
      current.put(bytes, start, end);
    },
    between(table) {
      if (current === undefined || current.rawBytes < rawMax) return current?.pressure();
      close();
      open(table);
      return storing > STORING_MAX ? oldest.then(() => {}) : undefined;
    },
    async end() {
      if (current !== undefined) finish(current);
      return Promise.all(stored);
    },
    async abandon(error) {
      current?.fail(error);
      await Promise.allSettled([...stored, current?.written]);
    },
  };
};
