import { countSlices, type NamedSlice, namedSlices, type SliceSums } from './slice-sums.ts';
import { binary, integer, type SqlSession, small } from './sql.ts';

/** Rows that are held at once. */
const PAGE_ROWS = 2000;

/** Where a pass over the chunks, and then over the references, has come to. */
export interface SlicePlace {
  readonly table: 'chunk' | 'chunk_ref';
  /** The last key that was read. */
  readonly after: string;
}

export const FIRST_SLICE: SlicePlace = { table: 'chunk', after: '-1' };

/** Adds one page; `next` is undefined after the last one. */
export const sumSlices = async (
  session: SqlSession,
  sums: SliceSums,
  { table, after }: SlicePlace,
): Promise<{ readonly sums: SliceSums; readonly next: SlicePlace | undefined; readonly rows: number }> => {
  const { dialect } = session;
  const columns = table === 'chunk' ? ['id', dialect.raw('slices')] : ['chunkid', 'size', 'refs'];
  const key = table === 'chunk' ? 'id' : 'chunkid';
  const rows = await session.rows(
    `SELECT ${columns.join(', ')} FROM ${dialect.table(table)} WHERE ${key} > ${BigInt(after)} ORDER BY ${key} LIMIT ${PAGE_ROWS}`,
    'counting slices',
  );
  const count = countSlices(sums);
  for (const row of rows)
    if (table === 'chunk_ref') count.reference(integer(row[0]), small(row[1]) >>> 0, small(row[2]));
    else count.names(binary(row[1]));
  const last = rows.at(-1)?.[0];
  const ended = rows.length < PAGE_ROWS;
  const next: SlicePlace | undefined =
    ended || last === undefined
      ? table === 'chunk'
        ? { table: 'chunk_ref', after: '-1' }
        : undefined
      : { table, after: String(integer(last)) };
  return { sums: count.sums(), next, rows: rows.length };
};

/** Every slice that a chunk names, in pages; one that is named often comes as often. */
export async function* sqlChunkSlices({ dialect, rows }: SqlSession): AsyncGenerator<readonly NamedSlice[]> {
  for (let after = -1n; ; ) {
    const page = await rows(
      `SELECT id, ${dialect.raw('slices')} FROM ${dialect.table('chunk')} WHERE id > ${after} ORDER BY id LIMIT ${PAGE_ROWS}`,
      'reading chunks',
    );
    yield page.flatMap((row) => namedSlices(binary(row[1])));
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ROWS) return;
    after = integer(last[0]);
  }
}

/** Every slice once, in pages. */
export async function* sqlSlices({ dialect, rows }: SqlSession): AsyncGenerator<readonly NamedSlice[]> {
  for (let after = 0n; ; ) {
    const page = await rows(
      `SELECT chunkid, size FROM ${dialect.table('chunk_ref')} WHERE chunkid > ${after} AND size > 0 ORDER BY chunkid LIMIT ${SAMPLE_ROWS}`,
      'choosing slices',
    );
    yield page.map((row) => ({ id: integer(row[0]), size: small(row[1]) >>> 0 }));
    const last = page.at(-1);
    if (last === undefined || page.length < SAMPLE_ROWS) return;
    after = integer(last[0]);
  }
}

/** Slices that are looked at in one step of a choice. */
const SAMPLE_ROWS = 5000;
