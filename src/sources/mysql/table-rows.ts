import type { DigestFactory } from '../../backup/digest.ts';
import { generatedClass } from '../../backup/rows.ts';
import type { ClassDigest } from '../../backup/types.ts';
import type { Range, Table } from './catalog.ts';
import type { Connection, RawRow, RowSink } from './connect.ts';
import { openEncoder } from './encoding.ts';
import { conditionOf } from './plan.ts';
import { identifier } from './sql.ts';
import type { Piece } from './tasks.ts';

/** Digests of one table's classes, and the text of its rows. */
export interface RowReader {
  /** The tuple of the written columns; valid until the next row. */
  read(values: RawRow): Buffer;
  digests(): ClassDigest[];
}

export const openReader = (factory: DigestFactory, table: Table): RowReader => {
  const written = openEncoder(table.columns, table.key);
  const generated = openEncoder(table.generated, []);
  const digest = factory.open(table.name, namesOf(table.columns));
  const derived = table.generated.length === 0 ? undefined : factory.open(generatedClass(table.name), namesOf(table.generated));
  return {
    read(values) {
      if (derived !== undefined) {
        const { row } = generated.encode(values, table.columns.length);
        derived.add(row, 0, row.length);
      }
      const { row, keyStart, keyEnd } = written.encode(values, 0);
      digest.add(row, keyStart, keyEnd);
      return row;
    },
    digests: () => [digest.end(), ...(derived === undefined ? [] : [derived.end()])],
  };
};

/** All rows of a piece. */
export const readPiece = (connection: Connection, table: Table, piece: Piece, sink: RowSink, doing: string): Promise<void> =>
  connection.read(selectOf(table, piece), sink, doing);

const selectOf = (table: Table, piece: Piece): string => {
  const columns = [...table.columns, ...table.generated].map((column) => column.expression);
  return `SELECT ${columns.length === 0 ? 'NULL' : columns.join(',')} FROM ${identifier(table.name)}${conditionOf(piece, rangeOf(table, piece))}`;
};

const rangeOf = (table: Table, piece: Piece): Range | undefined => {
  if (table.range === undefined && (piece.from !== null || piece.to !== null)) throw new Error(`table ${table.name} has lost its key`);
  return table.range;
};

const namesOf = (columns: Table['columns']): string[] => columns.map((column) => column.name);
