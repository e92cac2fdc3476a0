import type { XXHashAPI } from 'xxhash-wasm';
import type { ClassDigest } from '../../src/backup/types.ts';

export interface Row {
  readonly row: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** The definition of docs/store-format.md, word for word, in big integers and nothing of src/. */
export const slowDigest = (library: XXHashAPI, name: string, columns: readonly string[], rows: readonly Row[]): ClassDigest => {
  const header = Buffer.concat(
    ['xxh64x2-sum128/1', name, ...columns].map((text) => {
      const bytes = Buffer.from(text, 'utf8');
      return Buffer.concat([Buffer.from([bytes.length >>> 24, bytes.length >>> 16, bytes.length >>> 8, bytes.length]), bytes]);
    }),
  );
  const low = library.h64Raw(header, 0x4c696665626f6174n);
  const high = library.h64Raw(header, 0x243f6a8885a308d3n);
  const buckets = Array.from({ length: 256 }, () => 0n);
  for (const { row, start, end } of rows) {
    const bucket = Number(library.h64Raw(row.slice(start, end), low) % 256n);
    buckets[bucket] = ((buckets[bucket] ?? 0n) + library.h64Raw(row, high) * 2n ** 64n + library.h64Raw(row, low)) % 2n ** 128n;
  }
  const hex = (value: bigint, length: number): string => value.toString(16).padStart(length, '0');
  return {
    name,
    rows: String(rows.length),
    digest: hex(buckets.reduce((sum, one) => sum + one, 0n) % 2n ** 128n, 32),
    shape: hex(high, 16) + hex(low, 16),
    buckets: Buffer.from(buckets.map((sum, bucket) => (sum === 0n ? '' : hex(BigInt(bucket), 2) + hex(sum, 32))).join(''), 'hex').toString(
      'base64',
    ),
  };
};
