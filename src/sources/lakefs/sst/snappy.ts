import { invalid, type Reader, readerOf, take, uvarint } from './bytes.ts';

/** A block is tens of KiB, an index a few MiB; what claims more is damage. */
const RAW_MAX_BYTES = 256 * 1024 * 1024;

/** Decodes the raw Snappy format; fails with ArtifactInvalid on anything that does not add up. */
export const unsnappy = (packed: Buffer): Buffer => {
  const from = readerOf(packed);
  const size = uvarint(from);
  if (size > RAW_MAX_BYTES) throw invalid(`a block of ${size} bytes`);
  const raw = Buffer.allocUnsafe(size);
  let filled = 0;
  while (from.at < from.end) {
    const tag = packed[from.at++] ?? 0;
    if ((tag & 3) === 0) {
      const bytes = take(from, literalLength(from, tag >> 2));
      if (filled + bytes.length > size) throw invalid('a block decodes to more than it says');
      bytes.copy(raw, filled);
      filled += bytes.length;
      continue;
    }
    const { length, offset } = copyOf(from, tag);
    if (offset === 0 || offset > filled || filled + length > size) throw invalid('a block refers to bytes outside of it');
    if (offset >= length) raw.copyWithin(filled, filled - offset, filled - offset + length);
    else for (let n = 0; n < length; n++) raw[filled + n] = raw[filled + n - offset] as number;
    filled += length;
  }
  if (filled !== size) throw invalid(`a block decodes to ${filled} bytes instead of ${size}`);
  return raw;
};

const literalLength = (from: Reader, code: number): number => {
  if (code < 60) return code + 1;
  return take(from, code - 59).readUIntLE(0, code - 59) + 1;
};

const copyOf = (from: Reader, tag: number): { readonly length: number; readonly offset: number } => {
  switch (tag & 3) {
    case 1:
      return { length: ((tag >> 2) & 7) + 4, offset: ((tag >> 5) << 8) | take(from, 1).readUInt8() };
    case 2:
      return { length: (tag >> 2) + 1, offset: take(from, 2).readUInt16LE() };
    default:
      return { length: (tag >> 2) + 1, offset: take(from, 4).readUInt32LE() };
  }
};
