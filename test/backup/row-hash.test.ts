import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import xxhash, { type XXHashAPI } from 'xxhash-wasm';
import { type DigestFactory, loadDigest, WINDOW_BYTES } from '../../src/backup/digest.ts';
import { slowDigest } from './slow-digest.ts';

/** Lengths around each of the hash's paths: single bytes, words, one and several stripes, and the window. */
const LENGTHS = [0, 1, 3, 4, 5, 7, 8, 9, 12, 15, 16, 24, 31, 32, 33, 39, 40, 63, 64, 65, 100, 127, 128, 1000, 4096];
const AROUND_WINDOW = [WINDOW_BYTES - 1, WINDOW_BYTES, WINDOW_BYTES + 1, 2 * WINDOW_BYTES, 3 * WINDOW_BYTES + 33];

const bytesOf = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (Math.imul(i + seed + 1, 2654435761) >>> 13) & 0xff);

describe('the row hash', () => {
  let library: XXHashAPI;
  let factory: DigestFactory;
  beforeAll(async () => {
    library = await xxhash();
    factory = await loadDigest();
  });

  it('reaches a library that hashes as the authors of xxHash say', () => {
    expect(library.h64Raw(new Uint8Array(0), 0n)).toBe(0xef46db3751d8e999n);
    expect(library.h64Raw(Buffer.from('abc'), 0n)).toBe(0x44bc2cf5ad770999n);
  });

  it.each([...LENGTHS, ...AROUND_WINDOW])('agrees with the definition on rows of %d bytes', (length) => {
    const row = bytesOf(length, length);
    const keys = [
      [0, length],
      [0, 0],
      [0, Math.floor(length / 2)],
      [Math.floor(length / 3), length],
      [length, length],
    ] as const;
    const digest = factory.open('t', ['a']);
    for (const [start, end] of keys) digest.add(row, start, end);
    expect(digest.end()).toEqual(
      slowDigest(
        library,
        't',
        ['a'],
        keys.map(([start, end]) => ({ row, start, end })),
      ),
    );
  });

  it('agrees with the definition on any rows, with several classes open at once', () => {
    const rows = fc.array(
      fc.tuple(fc.uint8Array({ maxLength: 200 }), fc.nat(), fc.nat()).map(([row, a, b]) => {
        const start = a % (row.length + 1);
        return { row, start, end: start + (b % (row.length - start + 1)) };
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(fc.array(rows, { maxLength: 20 }), (classes) => {
        const open = classes.map((_, i) => factory.open(`c${i}`, ['a', 'b']));
        const longest = Math.max(0, ...classes.map((one) => one.length));
        for (let i = 0; i < longest; i++)
          for (const [at, one] of classes.entries()) {
            const next = one[i];
            if (next !== undefined) open[at]?.add(next.row, next.start, next.end);
          }
        expect(open.map((digest) => digest.end())).toEqual(classes.map((one, i) => slowDigest(library, `c${i}`, ['a', 'b'], one)));
      }),
    );
  });

  it('carries from the low to the high half, and wraps at 128 bits', () => {
    const row = bytesOf(50, 7);
    const digest = factory.open('t', []);
    for (let i = 0; i < 1000; i++) digest.add(row, 0, 50);
    const once = factory.open('t', []);
    once.add(row, 0, 50);
    const expected = (BigInt(`0x${once.end().digest}`) * 1000n) & ((1n << 128n) - 1n);
    expect(digest.end().digest).toBe(expected.toString(16).padStart(32, '0'));
  });

  it('gives the room of an ended class to the next, clean', () => {
    const first = factory.open('t', []);
    first.add(bytesOf(10, 1), 0, 10);
    first.end();
    expect(factory.open('t', []).end()).toMatchObject({ rows: '0', digest: '0'.repeat(32), buckets: '' });
  });

  it('refuses a key outside of its row, and rows after the end', () => {
    const digest = factory.open('t', []);
    const row = bytesOf(10, 1);
    for (const [start, end] of [
      [-1, 5],
      [5, 4],
      [0, 11],
    ] as const)
      expect(() => digest.add(row, start, end)).toThrow(RangeError);
    expect(digest.end().rows).toBe('0');
    expect(() => digest.add(row, 0, 10)).toThrow(RangeError);
    expect(() => digest.end()).toThrow(RangeError);
  });
});
