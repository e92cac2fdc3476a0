import { LifeboatError } from '../../../errors.ts';
import { CHUNK_BYTES, holdsChunks } from '../model.ts';
import { type Acls, bare, type EntryDraft } from './reader.ts';
import { type Dialect, timeOf } from './sql.ts';
import type { TableColumns } from './sql-reader.ts';

/**
 * A name and its inode in one value: the numbers of it in decimal with a blank behind each, then the bytes of the name, then those of
 * the slices of the first chunk. A driver takes as long for each value of a row as all of this takes.
 */

/** Of edges `e` with their nodes `n` and first chunks `k`. */
export interface PackedSql {
  readonly value: string;
  readonly joins: string;
}

/** `request` is an expression: the number of the request that a row answers. */
export const packedSql = (dialect: Dialect, known: TableColumns, request: string): PackedSql => {
  const bytesOf = (column: string): string => `LENGTH(${dialect.raw(column)})`;
  const slices = `COALESCE(k.slices, ${dialect.bytes(NO_BYTES)})`;
  // A volume made by an older juicefs may lack the later ones.
  const node = (name: string): string => (known.get('node')?.has(name) === true ? `COALESCE(n.${dialect.column(name)}, 0)` : '0');
  const numbers = [
    request,
    'e.inode',
    `e.${dialect.column('type')}`,
    'CASE WHEN n.inode IS NULL THEN 0 ELSE 1 END',
    ...['type', 'flags', 'mode', 'uid', 'gid', 'atime', 'atimensec', 'mtime', 'mtimensec', 'ctime', 'ctimensec'].map(node),
    ...['nlink', 'length', 'rdev', 'tier_id', 'access_acl_id', 'default_acl_id'].map(node),
    bytesOf('e.name'),
    bytesOf(slices),
  ];
  return {
    value: dialect.pack(numbers, ['e.name', slices]),
    joins:
      `LEFT JOIN ${dialect.table('node')} n ON n.inode = e.inode ` +
      `LEFT JOIN ${dialect.table('chunk')} k ON k.inode = e.inode AND k.indx = 0`,
  };
};

const NO_BYTES = new Uint8Array();

/**
 * Adds each name to the request that it answers; of its inode it has what stands there. One of `values` may hold several, one after
 * the other.
 */
export const unpack = (values: readonly Uint8Array[], acls: Acls, answers: readonly EntryDraft[][]): void => {
  const scan = openScan(values);
  while (scan.more()) {
    const request = scan.number();
    const inode = scan.wide();
    const edgeType = scan.number();
    const there = scan.number() === 1;
    const type = scan.number();
    const flags = scan.number();
    const mode = scan.number() & 0xfff;
    const uid = scan.number() >>> 0;
    const gid = scan.number() >>> 0;
    const [atime, atimensec] = scan.time();
    const [mtime, mtimensec] = scan.time();
    const [ctime, ctimensec] = scan.time();
    const nlink = scan.number() >>> 0;
    const length = scan.wide();
    const rdev = scan.number() >>> 0;
    const tier = scan.number();
    const access = acls.get(scan.number());
    const fallback = acls.get(scan.number());
    const nameBytes = scan.number();
    const slicesBytes = scan.number();
    const name = scan.bytes(nameBytes);
    const slices = scan.bytes(slicesBytes);
    const attr = there
      ? { inode, type, flags, mode, uid, gid, atime, atimensec, mtime, mtimensec, ctime, ctimensec, nlink, length, rdev, tier }
      : bare({ inode, type: edgeType });
    const entry: EntryDraft = { name, attr };
    if (access !== undefined) entry.accessAcl = access;
    if (fallback !== undefined) entry.defaultAcl = fallback;
    if (slicesBytes > 0 && holdsChunks(attr) && attr.length <= CHUNK_BYTES) entry.chunks = [{ index: 0, slices }];
    answers[request]?.push(entry);
  }
};

const BLANK = 0x20;
const MINUS = 0x2d;
const ZERO = 0x30;

interface Scan {
  more(): boolean;
  /** Beyond 2^53 it is not exact. */
  number(): number;
  wide(): bigint;
  /** Microseconds, and the nanoseconds within one. */
  time(): readonly [seconds: bigint, nanoseconds: number];
  bytes(length: number): Uint8Array;
}

const openScan = (values: readonly Uint8Array[]): Scan => {
  let [bytes = NO_BYTES] = values;
  let value = 0;
  let at = 0;
  const number = (): number => {
    let byte = bytes[at++];
    const negative = byte === MINUS;
    if (negative) byte = bytes[at++];
    let size = 0;
    while (byte !== BLANK) {
      if (byte === undefined) throw new LifeboatError('SourceProblem', 'the database answered half a row');
      size = size * 10 + (byte - ZERO);
      byte = bytes[at++];
    }
    return negative ? -size : size;
  };
  const wide = (): bigint => {
    const from = at;
    const near = number();
    return Number.isSafeInteger(near) ? BigInt(near) : BigInt(Buffer.from(bytes.subarray(from, at - 1)).toString('latin1'));
  };
  return {
    more() {
      while (at >= bytes.length) {
        const next = values[++value];
        if (next === undefined) return false;
        bytes = next;
        at = 0;
      }
      return true;
    },
    number,
    wide,
    time() {
      const from = at;
      const near = number();
      if (Number.isSafeInteger(near)) {
        const seconds = Math.floor(near / 1e6);
        return [BigInt(seconds), (near - seconds * 1e6) * 1000 + number()];
      }
      at = from;
      return timeOf(wide(), number());
    },
    bytes(length) {
      const from = at;
      at += length;
      return bytes.subarray(from, at);
    },
  };
};
