import type { DigestFactory } from '../../backup/digest.ts';
import { generatedClass } from '../../backup/rows.ts';
import type { ClassDigest } from '../../backup/types.ts';
import type { Range, Table } from './catalog.ts';
import type { Connection } from './connect.ts';
import { conditionOf } from './plan.ts';
import { identifier } from './sql.ts';
import type { Piece } from './tasks.ts';
import type { Transcoder } from './transcoder.ts';

/** Where the tuples of the written columns go. */
export interface PieceSink {
  /** `count` tuples `bytes[start, end)` with `,\n` between them; valid during the call only. */
  tuples(bytes: Buffer, start: number, end: number, count: number): void;
  /** Between two pieces of the result: a promise while whoever takes the rows is behind. */
  pressure(): Promise<void> | undefined;
}

export interface Reading {
  readonly connection: Connection;
  readonly factory: DigestFactory;
  readonly transcoder: Transcoder;
}

/** Reads all rows of a piece; answers the digests of the table's classes in it. */
export const readPiece = async (
  { connection, factory, transcoder }: Reading,
  table: Table,
  piece: Piece,
  sink: PieceSink,
  doing: string,
): Promise<ClassDigest[]> => {
  const written = factory.open(table.name, namesOf(table.columns));
  const derived = table.generated.length === 0 ? undefined : factory.open(generatedClass(table.name), namesOf(table.generated));
  const reader = transcoder.begin(table.columns, table.generated, table.key, {
    rows: written.addAll,
    generated: (bytes, places) => derived?.addAll(bytes, places),
    tuples: sink.tuples,
  });
  await connection.read(selectOf(table, piece), { take: reader.take, pressure: sink.pressure }, doing);
  return [written.end(), ...(derived === undefined ? [] : [derived.end()])];
};

const selectOf = (table: Table, piece: Piece): string => {
  const columns = [...table.columns, ...table.generated].map((column) => column.expression);
  return `SELECT ${columns.length === 0 ? 'NULL' : columns.join(',')} FROM ${identifier(table.name)}${conditionOf(piece, rangeOf(table, piece))}`;
};

const rangeOf = (table: Table, piece: Piece): Range | undefined => {
  if (table.range === undefined && (piece.from !== null || piece.to !== null)) throw new Error(`table ${table.name} has lost its key`);
  return table.range;
};

const namesOf = (columns: Table['columns']): string[] => columns.map((column) => column.name);
