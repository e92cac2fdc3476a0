import { BLOCK_BYTES, openSegment, type SegmentStream } from '../../backup/segment-stream.ts';
import type { ClassDigest, Ordinal, Segment } from '../../backup/types.ts';
import type { TaskContext } from '../contract.ts';
import type { Table } from './catalog.ts';
import { tooLarge } from './plan.ts';
import { BEGIN, COMMIT, segmentSession } from './session-sql.ts';
import { columnList, identifier } from './sql.ts';
import { type PieceSink, type Reading, readPiece } from './table-rows.ts';
import type { Piece } from './tasks.ts';

/** Bytes of one INSERT: a quarter of the smallest default of max_allowed_packet. A single row may be longer. */
const INSERT_BYTES = 1024 * 1024;

/** Progress is told once for this many bytes of text. */
const PROGRESS_BYTES = 8 * 1024 * 1024;

const [SEPARATOR, LAST] = [',\n', ';\n'] as const;

export interface DumpedRows {
  /** Still on its way to the store. */
  readonly segment: Promise<Segment>;
  readonly digests: readonly ClassDigest[];
}

/** Reads pieces into one segment. Resolves when the server has sent the last row, or fails when the lane's time is over. */
export const dumpRows = async (
  means: Reading,
  pieces: readonly { readonly piece: Piece; readonly table: Table }[],
  at: Ordinal,
  context: TaskContext,
): Promise<DumpedRows> => {
  const { connection } = means;
  const contextOf = { kind: 'rows', tables: [] as { name: string; rows: number; transactional: boolean }[] };
  const stream = openSegment((blocks, recycle) => context.write.write(at, blocks, { encoding: 'zstd', extension: 'sql.zst', recycle }));
  const segment = stream.written.then((done) => ({ ...done, context: contextOf }));
  segment.catch(() => {});
  const digests: ClassDigest[] = [];
  try {
    stream.text(segmentSession(connection.product) + BEGIN);
    for (const { piece, table } of pieces) {
      const { rows, digests: own } = await insertPiece(means, piece, table, stream, context);
      contextOf.tables.push({ name: table.name, rows, transactional: table.transactional });
      digests.push(...own);
    }
    stream.text(COMMIT);
    stream.end();
  } catch (error) {
    stream.fail(error);
    await Promise.allSettled([segment]);
    throw error;
  }
  return { segment, digests };
};

const insertPiece = async (means: Reading, piece: Piece, table: Table, stream: SegmentStream, context: TaskContext) => {
  const head = `INSERT INTO ${identifier(table.name)} (${columnList(table.columns.map((column) => column.name))}) VALUES\n`;
  let rows = 0;
  let bytes = 0;
  let inStatement = 0;
  let told = { rows: 0, bytes: 0 };
  const tell = (): void => {
    context.progress({ rows: rows - told.rows, bytes: bytes - told.bytes, what: table.name });
    told = { rows, bytes };
  };
  const sink: PieceSink = {
    tuples(tuples, start, end, count) {
      const length = end - start;
      if (inStatement > 0 && inStatement + length > INSERT_BYTES) {
        stream.text(LAST);
        inStatement = 0;
      }
      stream.text(inStatement === 0 ? head : SEPARATOR);
      // So much is taken without a copy, and the buffer that it lies in is filled again.
      if (length < BLOCK_BYTES) stream.put(tuples, start, end);
      else stream.put(Buffer.from(tuples.subarray(start, end)), 0, length);
      inStatement += length;
      rows += count;
      bytes += length;
    },
    pressure() {
      if (bytes - told.bytes > PROGRESS_BYTES) {
        tell();
        if (context.budget.remaining() <= 0) throw tooLarge(`lane ${context.task} ran out of time in table ${table.name}`);
      }
      return stream.pressure();
    },
  };
  const digests = await readPiece(means, table, piece, sink, `reading table ${table.name}`);
  if (inStatement > 0) stream.text(LAST);
  tell();
  return { rows, digests };
};
