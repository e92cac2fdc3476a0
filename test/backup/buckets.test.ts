import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketsSum, packBuckets, totalOf, unpackBuckets } from '../../src/backup/buckets.ts';

const sums = fc.array(fc.tuple(fc.nat(255), fc.bigInt(0n, 2n ** 130n))).map((pairs) => new Map(pairs));
const MASK = 2n ** 128n - 1n;
const entry = (bucket: number, sum: number): number[] => [bucket, ...Array.from({ length: 15 }, () => 0), sum];
const packed = (...entries: number[][]): string => Buffer.from(entries.flat()).toString('base64');

describe('packed buckets', () => {
  it('come back without those that are zero, modulo 2^128', () => {
    fc.assert(
      fc.property(sums, (given) => {
        const expected = [...given].map(([bucket, sum]) => [bucket, sum & MASK] as const).filter(([, sum]) => sum !== 0n);
        expect([...(unpackBuckets(packBuckets(given)) ?? [])]).toEqual(expected.sort(([a], [b]) => a - b));
        expect(bucketsSum(packBuckets(given))).toBe(totalOf(given));
      }),
    );
  });

  it('are one byte of number and sixteen of sum, most significant first', () => {
    expect(Buffer.from(packBuckets(new Map([[7, 0x0102n]])), 'base64').toString('hex')).toBe(`07${'0'.repeat(28)}0102`);
  });

  it.each([
    ['a piece of an entry', packed(entry(1, 1)).slice(0, 8)],
    ['buckets out of order', packed(entry(2, 1), entry(1, 1))],
    ['a bucket twice', packed(entry(1, 1), entry(1, 1))],
    ['a bucket of zero', packed(entry(1, 0))],
    ['characters that are not base64', `${packed(entry(1, 1))}\n`],
    ['the alphabet of URLs', packed(entry(1, 1)).replace('A', '-')],
  ])('are refused with %s', (_, text) => {
    expect(unpackBuckets(text)).toBeUndefined();
  });

  it('are random text only by chance of being well-formed', () => {
    fc.assert(
      fc.property(fc.base64String(), (text) => {
        const back = unpackBuckets(text);
        if (back !== undefined) expect(packBuckets(back)).toBe(text);
      }),
    );
  });
});
