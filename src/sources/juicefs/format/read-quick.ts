import { type Attr, type Chunk, SLICE_BYTES, TYPE_NAMES } from '../model.ts';
import { NANOSECONDS_MAX, U8, U16, U32 } from './read-fields.ts';
import { CLOSE, CLOSE_LIST, COMMA, isSpace, OPEN, OPEN_LIST } from './scan.ts';

/**
 * Most of a dump is `attr` and `chunks`, and nearly all of these are integers in the order in which juicefs writes them: they are read
 * here from their bytes, without the text and the objects that JSON.parse would make. Whatever looks otherwise, a value that is cut or
 * wrong too, is no case for this: the answer is undefined, and the reader of any JSON says what it is.
 */

/** What was read, and the place behind it. */
export interface Quick<Read> {
  readonly read: Read;
  readonly end: number;
}

type Integer = number | bigint;

const quoted = (names: readonly string[]): readonly Buffer[] => names.map((name) => Buffer.from(`"${name}"`));

/** In the order in which they are written. */
const ATTR_FIELDS = quoted([
  ...['inode', 'flags', 'type', 'mode', 'uid', 'gid', 'atime', 'mtime', 'ctime'],
  ...['atimensec', 'mtimensec', 'ctimensec', 'nlink', 'length', 'rdev', 'tier'],
]);
const TYPE = 2;
const TYPES = quoted(TYPE_NAMES);
const SLICE_FIELDS = quoted(['chunkid', 'id', 'pos', 'size', 'off', 'len']);
const NO_TEXT = -1;
const [INDEX, SLICES] = quoted(['index', 'slices']) as [Buffer, Buffer];

const COLON = 0x3a;
const MINUS = 0x2d;
const ZERO = 0x30;
/** Integers of more digits may not be exact as numbers, or not fit 64 bits; negative ones have a digit less. */
const DIGITS_EXACT = 15;
const DIGITS_MAX = 19;
const TWO_32 = 2 ** 32;

// What was read last. Nothing here waits, so nobody else comes between.
let last: Integer = 0;
const values: Integer[] = [];
/** Slices of one chunk; more are no case for this. */
const gathered = Buffer.alloc(256 * SLICE_BYTES);

export const quickAttr = (bytes: Buffer, from: number): Quick<Attr> | undefined => {
  const end = members(bytes, from, ATTR_FIELDS, TYPE);
  if (end < 0) return undefined;
  const [inode, flags, type, mode, uid, gid, atime, mtime, ctime, atimensec, mtimensec, ctimensec, nlink, length, rdev, tier] = values;
  if (
    !(
      inode !== undefined &&
      inode > 0 &&
      isSmall(type, U8) &&
      isSmall(flags, U8) &&
      isSmall(mode, U16) &&
      isSmall(uid, U32) &&
      isSmall(gid, U32) &&
      isSmall(atimensec, NANOSECONDS_MAX) &&
      isSmall(mtimensec, NANOSECONDS_MAX) &&
      isSmall(ctimensec, NANOSECONDS_MAX) &&
      isSmall(nlink, U32) &&
      isSmall(rdev, U32) &&
      isSmall(tier, U8)
    )
  )
    return undefined;
  return {
    end,
    read: {
      inode: BigInt(inode),
      type,
      flags,
      mode: mode & 0xfff,
      uid,
      gid,
      atime: BigInt(atime ?? 0),
      atimensec,
      mtime: BigInt(mtime ?? 0),
      mtimensec,
      ctime: BigInt(ctime ?? 0),
      ctimensec,
      nlink,
      length: BigInt(length ?? 0),
      rdev,
      tier,
    },
  };
};

/** Chunks of which each is an index and slices, in this order. */
export const quickChunks = (bytes: Buffer, from: number): Quick<readonly Chunk[]> | undefined => {
  const chunks: Chunk[] = [];
  let at = token(bytes, from, OPEN_LIST);
  for (let more = true; more; ) {
    at = token(bytes, word(bytes, token(bytes, at, OPEN), INDEX), COLON);
    at = integer(bytes, at);
    const index = last;
    if (at < 0 || !isSmall(index, U32)) return undefined;
    at = token(bytes, word(bytes, token(bytes, at, COMMA), SLICES), COLON);
    const slices = quickSlices(bytes, token(bytes, at, OPEN_LIST));
    if (slices === undefined) return undefined;
    chunks.push({ index, slices: slices.read });
    at = token(bytes, slices.end, CLOSE);
    more = bytes[at] === COMMA;
    if (more) at = token(bytes, at, COMMA);
  }
  const end = token(bytes, at, CLOSE_LIST);
  return end < 0 ? undefined : { read: chunks, end };
};

const quickSlices = (bytes: Buffer, from: number): Quick<Buffer> | undefined => {
  let at = from;
  let size = 0;
  for (let more = true; more; size += SLICE_BYTES) {
    at = members(bytes, at, SLICE_FIELDS, NO_TEXT);
    if (at < 0 || size >= gathered.length || !putSlice(size)) return undefined;
    more = bytes[at] === COMMA;
    if (more) at = token(bytes, at, COMMA);
  }
  const end = token(bytes, at, CLOSE_LIST);
  return end < 0 ? undefined : { read: Buffer.from(gathered.subarray(0, size)), end };
};

const putSlice = (to: number): boolean => {
  const [chunkid, ownId, pos, size, off, len] = values;
  // Dumps of old have the id under another name.
  const id = ownId === 0 ? chunkid : ownId;
  if (!(id !== undefined && id >= 0 && isSmall(pos, U32) && isSmall(size, U32) && isSmall(off, U32) && isSmall(len, U32))) return false;
  gathered.writeUInt32BE(pos, to);
  if (typeof id === 'bigint') gathered.writeBigUInt64BE(id, to + 4);
  else {
    gathered.writeUInt32BE(Math.floor(id / TWO_32), to + 4);
    gathered.writeUInt32BE(id % TWO_32, to + 8);
  }
  gathered.writeUInt32BE(size, to + 12);
  gathered.writeUInt32BE(off, to + 16);
  gathered.writeUInt32BE(len, to + 20);
  return true;
};

const isSmall = (value: Integer | undefined, max: number): value is number => typeof value === 'number' && value >= 0 && value <= max;

// All that follow answer the place behind what they read and the white space there, −1 when it is something else, or begins at −1.

/** An object of these fields, all of them integers but one: into `values`. What it has not is 0, and that one is less. */
const members = (bytes: Buffer, from: number, fields: readonly Buffer[], text: number): number => {
  values.length = fields.length;
  for (let i = 0; i < fields.length; i++) values[i] = i === text ? -1 : 0;
  let at = token(bytes, from, OPEN);
  for (let next = 0; at >= 0; ) {
    const field = fieldFrom(bytes, at, fields, next);
    if (field < 0) return -1;
    at = token(bytes, skip(bytes, at + (fields[field] as Buffer).length), COLON);
    at = field === text ? typeName(bytes, at) : integer(bytes, at);
    values[field] = last;
    next = field + 1;
    if (at < 0 || bytes[at] === CLOSE) break;
    at = token(bytes, at, COMMA);
  }
  return token(bytes, at, CLOSE);
};

/** They come in their order, with some left out. */
const fieldFrom = (bytes: Buffer, at: number, fields: readonly Buffer[], next: number): number => {
  for (let field = next; field < fields.length; field++) if (isAt(bytes, at, fields[field] as Buffer)) return field;
  for (let field = 0; field < next; field++) if (isAt(bytes, at, fields[field] as Buffer)) return field;
  return -1;
};

const isAt = (bytes: Buffer, at: number, text: Buffer): boolean => {
  // The second differs where the first, a quote, does not.
  if (bytes[at + 1] !== text[1]) return false;
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
};

const word = (bytes: Buffer, at: number, text: Buffer): number => (at >= 0 && isAt(bytes, at, text) ? skip(bytes, at + text.length) : -1);

const token = (bytes: Buffer, at: number, byte: number): number => (bytes[at] === byte ? skip(bytes, at + 1) : -1);

const skip = (bytes: Buffer, from: number): number => {
  let at = from;
  while (at < bytes.length && isSpace(bytes[at] as number)) at++;
  return at;
};

const typeName = (bytes: Buffer, at: number): number => {
  last = TYPES.findIndex((name) => isAt(bytes, at, name));
  return at < 0 || last < 0 ? -1 : skip(bytes, at + (TYPES[last] as Buffer).length);
};

const integer = (bytes: Buffer, from: number): number => {
  const negative = bytes[from] === MINUS;
  const first = negative ? from + 1 : from;
  let at = first;
  let value = 0;
  for (; at < bytes.length; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  const digits = at - first;
  if (from < 0 || digits === 0 || digits > (negative ? DIGITS_MAX - 1 : DIGITS_MAX) || (digits > 1 && bytes[first] === ZERO)) return -1;
  if (digits > DIGITS_EXACT) last = BigInt(bytes.toString('latin1', from, at));
  else last = negative ? -value : value;
  at = skip(bytes, at);
  // A fraction or an exponent is left to the other reader, and so is a number that may go on.
  return bytes[at] === COMMA || bytes[at] === CLOSE ? at : -1;
};
