import { damaged } from './damage.ts';

/**
 * Small hashes, lists and sets lie in one string: a ziplist (before Redis 7), a listpack, or an intset. Each is read as a flat list of
 * elements; numbers become the decimal text that the server would answer. `at` is where the string began, for messages.
 */

const END = 0xff;

const number = (value: number | bigint): Buffer => Buffer.from(String(value), 'latin1');

/** total u32, last u32, count u16, then entries: length of the one before, encoding, value; 0xFF. Little-endian. */
export const ziplist = (blob: Buffer, at: number): Buffer[] => {
  const bad = (what: string): Error => damaged(`a ziplist with ${what}`, at);
  if (blob.length < 11 || blob.readUInt32LE(0) !== blob.length || blob[blob.length - 1] !== END) throw bad('the wrong length');
  const found: Buffer[] = [];
  let pos = 10;
  const end = blob.length - 1;
  const take = (length: number): Buffer => {
    if (pos + length > end) throw bad('an element that is cut');
    const bytes = blob.subarray(pos, pos + length);
    pos += length;
    return bytes;
  };
  while (pos < end) {
    if (take(1)[0] === 254) take(4);
    const encoding = take(1)[0] as number;
    if (encoding < 0x40) found.push(take(encoding));
    else if (encoding < 0x80) found.push(take(((encoding & 0x3f) << 8) | (take(1)[0] as number)));
    else if (encoding === 0x80) found.push(take(take(4).readUInt32BE(0)));
    else if (encoding === 0xc0) found.push(number(take(2).readInt16LE(0)));
    else if (encoding === 0xd0) found.push(number(take(4).readInt32LE(0)));
    else if (encoding === 0xe0) found.push(number(take(8).readBigInt64LE(0)));
    else if (encoding === 0xf0) found.push(number(take(3).readIntLE(0, 3)));
    else if (encoding === 0xfe) found.push(number(take(1).readInt8(0)));
    else if (encoding > 0xf0 && encoding < 0xfe) found.push(number((encoding & 0x0f) - 1));
    else throw bad(`the encoding ${encoding}`);
  }
  const count = blob.readUInt16LE(8);
  if (count !== 0xffff && count !== found.length) throw bad(`${found.length} elements in place of ${count}`);
  return found;
};

/** total u32, count u16, then entries: encoding, value, their length (which is for reading backwards); 0xFF. Little-endian. */
export const listpack = (blob: Buffer, at: number): Buffer[] => {
  const bad = (what: string): Error => damaged(`a listpack with ${what}`, at);
  if (blob.length < 7 || blob.readUInt32LE(0) !== blob.length || blob[blob.length - 1] !== END) throw bad('the wrong length');
  const found: Buffer[] = [];
  const end = blob.length - 1;
  let pos = 6;
  const take = (length: number): Buffer => {
    if (pos + length > end) throw bad('an element that is cut');
    const bytes = blob.subarray(pos, pos + length);
    pos += length;
    return bytes;
  };
  const byte = (): number => {
    if (pos >= end) throw bad('an element that is cut');
    return blob[pos++] as number;
  };
  while (pos < end) {
    const began = pos;
    const encoding = byte();
    if (encoding < 0x80) found.push(number(encoding));
    else if (encoding < 0xc0) found.push(take(encoding & 0x3f));
    else if (encoding < 0xe0) {
      const value = ((encoding & 0x1f) << 8) | byte();
      found.push(number(value >= 4096 ? value - 8192 : value));
    } else if (encoding < 0xf0) found.push(take(((encoding & 0x0f) << 8) | byte()));
    else if (encoding === 0xf0) found.push(take(take(4).readUInt32LE(0)));
    else if (encoding === 0xf1) found.push(number(take(2).readInt16LE(0)));
    else if (encoding === 0xf2) found.push(number(take(3).readIntLE(0, 3)));
    else if (encoding === 0xf3) found.push(number(take(4).readInt32LE(0)));
    else if (encoding === 0xf4) found.push(number(take(8).readBigInt64LE(0)));
    else throw bad(`the encoding ${encoding}`);
    take(backLength(pos - began));
  }
  const count = blob.readUInt16LE(4);
  if (count !== 0xffff && count !== found.length) throw bad(`${found.length} elements in place of ${count}`);
  return found;
};

const backLength = (size: number): number => {
  if (size <= 127) return 1;
  if (size < 16_383) return 2;
  if (size < 2_097_151) return 3;
  return size < 268_435_455 ? 4 : 5;
};

/** Bytes of an element u32 (2, 4 or 8), count u32, then the numbers. Little-endian. */
export const intset = (blob: Buffer, at: number): Buffer[] => {
  const width = blob.length < 8 ? 0 : blob.readUInt32LE(0);
  const count = blob.length < 8 ? 0 : blob.readUInt32LE(4);
  if ((width !== 2 && width !== 4 && width !== 8) || blob.length !== 8 + width * count) throw damaged('an intset of the wrong length', at);
  return Array.from({ length: count }, (_, i) => {
    const from = 8 + i * width;
    return number(width === 8 ? blob.readBigInt64LE(from) : blob.readIntLE(from, width));
  });
};
