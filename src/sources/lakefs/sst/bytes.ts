import { LifeboatError } from '../../../errors.ts';

/** Ten groups of seven bits hold 64; a longer varint is damage. */
const VARINT_BYTES_MAX = 10;

/** Reads what Go's encoding/binary and protobuf write. Every read is bounded; what lies outside fails with ArtifactInvalid. */
export interface Reader {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;
}

export const readerOf = (bytes: Buffer, start = 0, end: number = bytes.length): Reader => ({ bytes, at: start, end });

export const invalid = (what: string): LifeboatError => new LifeboatError('ArtifactInvalid', what);

/** At most 2^53 - 1. */
export const uvarint = (reader: Reader): number => {
  const { bytes, end } = reader;
  let byte = reader.at < end ? (bytes[reader.at] ?? 0) : 128;
  if (byte < 128) {
    reader.at += 1;
    return byte;
  }
  let value = 0;
  let scale = 1;
  for (let n = 0; n < VARINT_BYTES_MAX; n++) {
    if (reader.at >= end) throw invalid('a number ends behind its block');
    byte = bytes[reader.at++] ?? 0;
    value += (byte & 127) * scale;
    if (byte < 128) {
      if (!Number.isSafeInteger(value)) throw invalid(`a number is larger than ${Number.MAX_SAFE_INTEGER}`);
      return value;
    }
    scale *= 128;
  }
  throw invalid(`a number has more than ${VARINT_BYTES_MAX} bytes`);
};

/** Protobuf's int64: negative ones are ten bytes of two's complement. */
export const int64 = (reader: Reader): bigint => {
  let value = 0n;
  for (let n = 0n; n < VARINT_BYTES_MAX; n++) {
    if (reader.at >= reader.end) throw invalid('a number ends behind its record');
    const byte = reader.bytes[reader.at++] ?? 0;
    value |= BigInt(byte & 127) << (7n * n);
    if (byte < 128) return BigInt.asIntN(64, value);
  }
  throw invalid(`a number has more than ${VARINT_BYTES_MAX} bytes`);
};

/** Go's binary.Varint (zigzag) of a length: never negative here. */
export const zigzagLength = (reader: Reader): number => {
  const value = uvarint(reader);
  if (value % 2 === 1) throw invalid('a length is negative');
  return value / 2;
};

/** A view of the next `length` bytes. */
export const take = (reader: Reader, length: number): Buffer => {
  if (length > reader.end - reader.at) throw invalid(`${length} bytes are wanted where ${reader.end - reader.at} are left`);
  const found = reader.bytes.subarray(reader.at, reader.at + length);
  reader.at += length;
  return found;
};
