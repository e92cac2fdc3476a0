import type { Check } from '../../../backup/types.ts';
import { CHUNK_BYTES, SLICE_BYTES } from '../model.ts';
import { binary, integer, type SqlSession, small } from './sql.ts';

/** Rows that are held at once. */
const PAGE_ROWS = 2000;

/** Sums that are equal when every slice has as many references as chunks name it, with the size that they name. */
export interface SliceSums {
  /** Decimal strings: slices that chunks name, and references that are stored. */
  readonly named: string;
  readonly stored: string;
  /** Two sums modulo 2^32 over hashes of id and size, of either side. */
  readonly hashes: readonly [named: number, namedToo: number, stored: number, storedToo: number];
  /** Slices that lie outside of their chunk or of their object. */
  readonly outside: string;
}

export const NO_SLICES: SliceSums = { named: '0', stored: '0', hashes: [0, 0, 0, 0], outside: '0' };

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
  let [named, stored, outside] = [BigInt(sums.named), BigInt(sums.stored), BigInt(sums.outside)];
  let [a, b, c, d] = sums.hashes;
  for (const row of rows) {
    if (table === 'chunk_ref') {
      const id = integer(row[0]);
      const [size, refs] = [small(row[1]) >>> 0, small(row[2])];
      stored += BigInt(refs);
      c = (c + Math.imul(hashOf(id, size, SEEDS[0]), refs)) >>> 0;
      d = (d + Math.imul(hashOf(id, size, SEEDS[1]), refs)) >>> 0;
      continue;
    }
    const slices = binary(row[1]);
    const view = new DataView(slices.buffer, slices.byteOffset, slices.byteLength);
    for (let at = 0; at + SLICE_BYTES <= slices.length; at += SLICE_BYTES) {
      const [id, size] = [view.getBigUint64(at + 4), view.getUint32(at + 12)];
      const length = view.getUint32(at + 20);
      if (view.getUint32(at) + length > Number(CHUNK_BYTES)) outside++;
      if (id === 0n) continue;
      if (view.getUint32(at + 16) + length > size) outside++;
      named++;
      a = (a + hashOf(id, size, SEEDS[0])) >>> 0;
      b = (b + hashOf(id, size, SEEDS[1])) >>> 0;
    }
  }
  const last = rows.at(-1)?.[0];
  const ended = rows.length < PAGE_ROWS;
  const next: SlicePlace | undefined =
    ended || last === undefined
      ? table === 'chunk'
        ? { table: 'chunk_ref', after: '-1' }
        : undefined
      : { table, after: String(integer(last)) };
  const summed = { named: String(named), stored: String(stored), hashes: [a, b, c, d] as const, outside: String(outside) };
  return { sums: summed, next, rows: rows.length };
};

const SEEDS = [0x9e3779b1, 0x85ebca77] as const;

const hashOf = (id: bigint, size: number, seed: number): number => {
  let hash = seed ^ Number(id & 0xffffffffn);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) ^ Number((id >> 32n) & 0xffffffffn);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) ^ size;
  hash = Math.imul(hash ^ (hash >>> 16), 0x27d4eb2f);
  return (hash ^ (hash >>> 15)) >>> 0;
};

export const sliceChecks = ({ named, stored, hashes: [a, b, c, d], outside }: SliceSums): Check[] => {
  const side = (count: string, high: number, low: number): string =>
    `${count} (${[high, low].map((part) => part.toString(16).padStart(8, '0')).join('')})`;
  const [expected, actual] = [side(named, a, b), side(stored, c, d)];
  return [
    { name: 'references of slices', expected, actual, ok: expected === actual },
    { name: 'slices outside of their chunk or object', expected: '0', actual: outside, ok: outside === '0' },
  ];
};
