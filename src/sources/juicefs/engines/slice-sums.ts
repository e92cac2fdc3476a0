import { z } from 'zod';
import type { Check } from '../../../backup/types.ts';
import { CHUNK_BYTES, SLICE_BYTES } from '../model.ts';

/** Sums that are equal when every slice has as many references as chunks name it, with the size that they name. */
export const SliceSumsSchema = z.strictObject({
  /** Decimal strings: slices that chunks name, and references that are stored. */
  named: z.string(),
  stored: z.string(),
  /** Two sums modulo 2^32 over hashes of id and size, of either side: named, named, stored, stored. */
  hashes: z.tuple([z.number(), z.number(), z.number(), z.number()]),
  /** Slices that lie outside of their chunk or of their object. */
  outside: z.string(),
});
export type SliceSums = z.output<typeof SliceSumsSchema>;

export const NO_SLICES: SliceSums = { named: '0', stored: '0', hashes: [0, 0, 0, 0], outside: '0' };

export interface NamedSlice {
  readonly id: bigint;
  /** In bytes. */
  readonly size: number;
}

/** Those of a chunk that are no holes. */
export const namedSlices = (slices: Uint8Array): NamedSlice[] => {
  const view = new DataView(slices.buffer, slices.byteOffset, slices.byteLength);
  const found: NamedSlice[] = [];
  for (let at = 0; at + SLICE_BYTES <= slices.length; at += SLICE_BYTES) {
    const id = view.getBigUint64(at + 4);
    if (id !== 0n) found.push({ id, size: view.getUint32(at + 12) });
  }
  return found;
};

export interface SliceCount {
  /** The slices of one chunk, whole ones. */
  names(slices: Uint8Array): void;
  reference(id: bigint, size: number, references: number): void;
  sums(): SliceSums;
}

export const countSlices = (from: SliceSums): SliceCount => {
  let [named, stored, outside] = [BigInt(from.named), BigInt(from.stored), BigInt(from.outside)];
  let [a, b, c, d] = from.hashes;
  return {
    names(slices) {
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
    },
    reference(id, size, references) {
      stored += BigInt(references);
      c = (c + Math.imul(hashOf(id, size, SEEDS[0]), references)) >>> 0;
      d = (d + Math.imul(hashOf(id, size, SEEDS[1]), references)) >>> 0;
    },
    sums: () => ({ named: String(named), stored: String(stored), hashes: [a, b, c, d], outside: String(outside) }),
  };
};

export const SEEDS = [0x9e3779b1, 0x85ebca77] as const;

/** 32 bits of two numbers, other ones for another seed. */
export const hashOf = (id: bigint, size: number, seed: number): number => {
  let hash = seed ^ Number(id & 0xffffffffn);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) ^ Number((id >> 32n) & 0xffffffffn);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) ^ size;
  hash = Math.imul(hash ^ (hash >>> 16), 0x27d4eb2f);
  return (hash ^ (hash >>> 15)) >>> 0;
};

export const REFERENCES = 'references of slices';

export const sliceChecks = ({ named, stored, hashes: [a, b, c, d], outside }: SliceSums): Check[] => {
  const side = (count: string, high: number, low: number): string =>
    `${count} (${[high, low].map((part) => part.toString(16).padStart(8, '0')).join('')})`;
  const [expected, actual] = [side(named, a, b), side(stored, c, d)];
  return [
    { name: REFERENCES, expected, actual, ok: expected === actual },
    { name: 'slices outside of their chunk or object', expected: '0', actual: outside, ok: outside === '0' },
  ];
};
