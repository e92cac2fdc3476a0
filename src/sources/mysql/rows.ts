import type { DigestFactory } from '../../backup/digest.ts';
import type { ClassDigest, Ordinal, Segment } from '../../backup/types.ts';
import type { TaskContext } from '../contract.ts';
import type { Table } from './catalog.ts';
import type { Connection } from './connect.ts';
import { tooLarge } from './plan.ts';
import { segmentStream } from './segment-stream.ts';
import { BEGIN, COMMIT, segmentSession } from './session-sql.ts';
import { columnList, identifier } from './sql.ts';
import { openReader, readPiece } from './table-rows.ts';
import type { Piece } from './tasks.ts';

/** Bytes of one INSERT: a quarter of the smallest default of max_allowed_packet. A single row may be longer. */
const INSERT_BYTES = 1024 * 1024;

/** Progress is told once for this many bytes of text. */
const PROGRESS_BYTES = 8 * 1024 * 1024;

const [SEPARATOR, LAST] = [Buffer.from(',\n'), Buffer.from(';\n')];

export interface DumpedRows {
  /** Still on its way to the store. */
  readonly segment: Promise<Segment>;
  readonly digests: readonly ClassDigest[];
}

/** Reads pieces into one segment. Resolves when the server has sent the last row, or fails when the lane's time is over. */
export const dumpRows = async (
  connection: Connection,
  pieces: readonly { readonly piece: Piece; readonly table: Table }[],
  at: Ordinal,
  factory: DigestFactory,
  context: TaskContext,
): Promise<DumpedRows> => {
  const stream = segmentStream();
  const contextOf = { kind: 'rows', tables: [] as { name: string; rows: number }[] };
  const written = context.write.write(at, stream.blocks, { encoding: 'zstd', extension: 'sql.zst' });
  written.catch((error: unknown) => stream.abandon(error));
  const segment = written.then((done) => ({ ...done, context: contextOf }));
  segment.catch(() => {});
  const digests: ClassDigest[] = [];
  try {
    stream.text(segmentSession(connection.product) + BEGIN);
    for (const { piece, table } of pieces) {
      const { rows, digests: own } = await insertPiece(connection, piece, table, { stream, factory, context });
      contextOf.tables.push({ name: table.name, rows });
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

interface Means {
  readonly stream: ReturnType<typeof segmentStream>;
  readonly factory: DigestFactory;
  readonly context: TaskContext;
}

const insertPiece = async (connection: Connection, piece: Piece, table: Table, { stream, factory, context }: Means) => {
  const head = Buffer.from(`INSERT INTO ${identifier(table.name)} (${columnList(table.columns.map((column) => column.name))}) VALUES\n`);
  const reader = openReader(factory, table);
  let rows = 0;
  let bytes = 0;
  let inStatement = 0;
  let told = { rows: 0, bytes: 0 };
  const tell = (): void => {
    context.progress({ rows: rows - told.rows, bytes: bytes - told.bytes, what: table.name });
    told = { rows, bytes };
  };
  await readPiece(
    connection,
    table,
    piece,
    {
      row(values) {
        const row = reader.read(values);
        if (inStatement > 0 && inStatement + row.length > INSERT_BYTES) {
          stream.put(LAST);
          inStatement = 0;
        }
        stream.put(inStatement === 0 ? head : SEPARATOR);
        stream.put(row);
        inStatement += row.length;
        rows += 1;
        bytes += row.length;
      },
      pressure() {
        if (bytes - told.bytes > PROGRESS_BYTES) {
          tell();
          if (context.budget.remaining() <= 0) throw tooLarge(`lane ${context.task} ran out of time in table ${table.name}`);
        }
        return stream.pressure();
      },
    },
    `reading table ${table.name}`,
  );
  if (inStatement > 0) stream.put(LAST);
  tell();
  return { rows, digests: reader.digests() };
};
