import { crc32 } from 'node:zlib';

/**
 * Meilisearch reads a single gzip member. So its header, the pieces of one deflate stream, and its trailer are written apart: each piece
 * ends at a byte with a full flush, and the checksum of the whole is combined from those of the pieces.
 */

/** Deflate, no flags, no time, no extra flags, system unknown. */
export const GZIP_HEADER: Uint8Array = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);

/** The last, empty block of a deflate stream whose pieces ended with a flush. */
const LAST_BLOCK = Buffer.from([3, 0]);

const SIZE_MODULUS = 2 ** 32;

/** Checksum and length of raw bytes that were seen so far. */
export interface RawSum {
  readonly crc32: number;
  readonly bytes: number;
}

export const EMPTY_SUM: RawSum = { crc32: 0, bytes: 0 };

export const sumOf = (bytes: Uint8Array): RawSum => ({ crc32: crc32(bytes), bytes: bytes.length });

/** What ends the gzip member after its last flushed piece. */
export const gzipTrailer = ({ crc32: checksum, bytes }: RawSum): Uint8Array => {
  const trailer = Buffer.alloc(LAST_BLOCK.length + 8);
  LAST_BLOCK.copy(trailer);
  trailer.writeUInt32LE(checksum, LAST_BLOCK.length);
  trailer.writeUInt32LE(bytes % SIZE_MODULUS, LAST_BLOCK.length + 4);
  return trailer;
};

/** The sum of `first` followed by `second`, from their sums alone. */
export const joinSums = (first: RawSum, second: RawSum): RawSum => ({
  crc32: combine(first.crc32, second.crc32, second.bytes),
  bytes: first.bytes + second.bytes,
});

/** The polynomial of gzip, bits reversed. */
const POLYNOMIAL = 0xedb88320;
const TOP_BIT = 0x80000000;

/** Product of two polynomials modulo that of gzip, as zlib's crc32_combine has it. */
const multiply = (a: number, b: number): number => {
  let product = 0;
  let factor = b;
  for (let bit = TOP_BIT; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= factor;
    factor = (factor & 1) === 0 ? factor >>> 1 : (factor >>> 1) ^ POLYNOMIAL;
  }
  return product >>> 0;
};

/** x^(8 * bytes) modulo the polynomial, by squaring. */
const shiftBy = (bytes: number): number => {
  let power = TOP_BIT >>> 8;
  let result = TOP_BIT;
  for (let left = bytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = multiply(power, result);
    power = multiply(power, power);
  }
  return result >>> 0;
};

const combine = (first: number, second: number, secondBytes: number): number =>
  secondBytes === 0 ? first : (multiply(shiftBy(secondBytes), first) ^ second) >>> 0;
