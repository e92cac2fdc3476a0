import type { DigestFactory, RowDigest } from '../../backup/digest.ts';
import { generatedClass } from '../../backup/rows.ts';
import type { Table } from './catalog.ts';
import { keyEnd, keyStart, writtenStart } from './row-text.ts';

/** Digests of one table's classes: its written columns, and its generated ones when it has any. */
export interface TableDigests {
  readonly written: RowDigest;
  readonly generated: RowDigest | undefined;
}

export const openDigests = (factory: DigestFactory, table: Pick<Table, 'class' | 'columns' | 'generated'>): TableDigests => ({
  written: factory.open(table.class, table.columns),
  generated: table.generated.length === 0 ? undefined : factory.open(generatedClass(table.class), table.generated),
});

/**
 * Counts the row `bytes[start, end)` of a COPY whose generated columns come first; answers where the written ones begin, which
 * is `end` when there are none.
 */
export const addRow = (
  digests: TableDigests,
  table: Pick<Table, 'generated' | 'key'>,
  bytes: Buffer,
  start: number,
  end: number,
): number => {
  let at = start;
  if (digests.generated !== undefined) {
    at = writtenStart(bytes, start, end, table.generated.length);
    const generated = bytes.subarray(start, at - 1);
    digests.generated.add(generated, 0, generated.length);
    at = Math.min(at, end);
  }
  const row = bytes.subarray(at, end);
  digests.written.add(row, keyStart(row, table.key), keyEnd(row, table.key));
  return at;
};
