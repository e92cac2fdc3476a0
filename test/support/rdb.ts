/** Makes RDB files by hand, of what no server here writes any more, or not yet. */
import { crc64 } from '../../src/sources/juicefs/rdb/crc64.ts';

export const length = (value: number): Buffer => {
  if (value < 64) return Buffer.from([value]);
  if (value < 16_384) return Buffer.from([0x40 | (value >> 8), value & 255]);
  const bytes = Buffer.alloc(5, 0x80);
  bytes.writeUInt32BE(value, 1);
  return bytes;
};

/** A length of 64 bits, whatever it is. */
export const wideLength = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(9, 0x81);
  bytes.writeBigUInt64BE(value, 1);
  return bytes;
};

export const text = (value: string | Buffer): Buffer => Buffer.concat([length(Buffer.byteLength(value)), Buffer.from(value as string)]);

/** `value` as literals of LZF, and then its last byte `repeats` times more by a reference. */
export const lzf = (value: Buffer, repeats: number): Buffer => {
  const pieces: Buffer[] = [];
  for (let at = 0; at < value.length; at += 32) {
    const literals = value.subarray(at, at + 32);
    pieces.push(Buffer.from([literals.length - 1]), literals);
  }
  for (let left = repeats; left > 0; ) {
    const count = Math.min(left, 264);
    if (count < 9) pieces.push(Buffer.from([(count - 2) << 5, 0]));
    else pieces.push(Buffer.from([7 << 5, count - 9, 0]));
    left -= count;
  }
  const packed = Buffer.concat(pieces);
  return Buffer.concat([Buffer.from([0xc3]), length(packed.length), length(value.length + repeats), packed]);
};

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u16 = (value: number): Buffer => u32(value).subarray(0, 2);

export const ziplist = (elements: readonly (string | { readonly raw: readonly number[] })[]): Buffer => {
  const entries: Buffer[] = [];
  let before = 0;
  for (const element of elements) {
    const bytes = typeof element === 'string' ? Buffer.from(element, 'latin1') : Buffer.from(element.raw);
    const encoding =
      typeof element !== 'string' ? [] : bytes.length < 64 ? [bytes.length] : [0x40 | (bytes.length >> 8), bytes.length & 255];
    const previous = before < 254 ? Buffer.from([before]) : Buffer.concat([Buffer.from([254]), u32(before)]);
    const entry = Buffer.concat([previous, Buffer.from(encoding), bytes]);
    before = entry.length;
    entries.push(entry);
  }
  const body = Buffer.concat(entries);
  return Buffer.concat([u32(11 + body.length), u32(10 + body.length - before), u16(elements.length), body, Buffer.from([255])]);
};

export const listpack = (elements: readonly (string | { readonly raw: readonly number[] })[]): Buffer => {
  const entries = elements.map((element) => {
    const bytes = typeof element === 'string' ? Buffer.from(element, 'latin1') : Buffer.from(element.raw);
    const encoding =
      typeof element !== 'string' ? [] : bytes.length < 64 ? [0x80 | bytes.length] : [0xe0 | (bytes.length >> 8), bytes.length & 255];
    const entry = Buffer.concat([Buffer.from(encoding), bytes]);
    const back = entry.length <= 127 ? [entry.length] : [entry.length >> 7, 0x80 | (entry.length & 127)];
    return Buffer.concat([entry, Buffer.from(back)]);
  });
  const body = Buffer.concat(entries);
  return Buffer.concat([u32(7 + body.length), u16(elements.length), body, Buffer.from([255])]);
};

export const intset = (width: 2 | 4 | 8, values: readonly number[]): Buffer =>
  Buffer.concat([
    u32(width),
    u32(values.length),
    ...values.map((value) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(BigInt(value));
      return bytes.subarray(0, width);
    }),
  ]);

export const key = (type: number, name: string | Buffer, value: Buffer): Buffer => Buffer.concat([Buffer.from([type]), text(name), value]);

/** A whole file: header, parts, end, checksum. */
export const rdb = (parts: readonly Buffer[], { header = 'REDIS0011', sum = true } = {}): Buffer => {
  const body = Buffer.concat([Buffer.from(header), ...parts, Buffer.from([0xff])]);
  const checksum = crc64();
  checksum.add(body);
  const end = Buffer.alloc(8);
  if (sum) end.writeBigUInt64LE(checksum.value());
  return Buffer.concat([body, end]);
};
