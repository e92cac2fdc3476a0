import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { z } from 'zod';
import { unpackBuckets } from '../../src/backup/buckets.ts';
import { canonicalJson } from '../../src/backup/canonical.ts';
import {
  DETAILS_MAX_BYTES,
  decodeManifest,
  decodeReceipt,
  encodeManifest,
  encodeReceipt,
  MANIFEST_MAX_BYTES,
  type ManifestSchema,
  RECEIPT_MAX_BYTES,
  type ReceiptSchema,
} from '../../src/backup/manifest.ts';
import type { ProofSchema } from '../../src/backup/proof.ts';
import { decodeProof, encodeProof } from '../../src/backup/proof.ts';
import type { Json, Manifest, Proof, Receipt, Segment } from '../../src/backup/types.ts';
import { isLifeboatError } from '../../src/errors.ts';
import { parseJson } from '../../src/json.ts';
import * as arbitrary from './arbitraries.ts';
import { exampleManifest, exampleSegment, idAt } from './examples.ts';

type DeepReadonly<T> = unknown extends T
  ? T
  : Json extends T
    ? T
    : T extends string
      ? T
      : T extends readonly (infer Item)[]
        ? readonly DeepReadonly<Item>[]
        : T extends object
          ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
          : T;

const backup = idAt('2026-11-21T01:30:00Z');
const example = exampleManifest('catalog-prod', backup, '2026-11-21T01:30:00.000Z');

/** The example with one field set, or without it where the value is undefined. */
const changed = (path: string, value: unknown): Uint8Array => {
  const copy: unknown = parseJson(canonicalJson(example));
  const steps = path.split('.');
  const last = steps.pop() ?? '';
  const parent = steps.reduce<unknown>((at, step) => Reflect.get(at as object, step), copy) as object;
  if (value === undefined) Reflect.deleteProperty(parent, last);
  else Reflect.set(parent, last, value);
  return Buffer.from(JSON.stringify(copy));
};

const problemOf = (bytes: Uint8Array): string => {
  try {
    decodeManifest(bytes);
  } catch (error) {
    if (isLifeboatError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'accepted';
};

describe('the schemas', () => {
  it('say exactly what types.ts says', () => {
    expectTypeOf<DeepReadonly<z.infer<typeof ManifestSchema>>>().toEqualTypeOf<DeepReadonly<Manifest>>();
    expectTypeOf<DeepReadonly<z.infer<typeof ReceiptSchema>>>().toEqualTypeOf<DeepReadonly<Receipt>>();
    expectTypeOf<DeepReadonly<z.infer<typeof ProofSchema>>>().toEqualTypeOf<DeepReadonly<Proof>>();
  });
});

describe.each([
  { what: 'manifest', values: arbitrary.manifest, encode: encodeManifest, decode: decodeManifest },
  { what: 'receipt', values: arbitrary.receipt, encode: encodeReceipt, decode: decodeReceipt },
  { what: 'proof', values: arbitrary.proof, encode: encodeProof, decode: decodeProof },
])('a $what', ({ values, encode, decode }) => {
  const codec = { encode: encode as (value: unknown) => Uint8Array, decode: decode as (bytes: Uint8Array) => unknown };

  it('comes back as it was, as one line with a newline at its end', () => {
    fc.assert(
      fc.property(values as fc.Arbitrary<unknown>, (value) => {
        const bytes = codec.encode(value);
        expect(parseJson(Buffer.from(bytes).toString())).toEqual(parseJson(JSON.stringify(value)));
        expect(Buffer.compare(codec.encode(codec.decode(bytes)), bytes)).toBe(0);
        expect(bytes.indexOf(0x0a)).toBe(bytes.length - 1);
      }),
    );
  });

  it('has the same bytes whatever the order of its fields', () => {
    fc.assert(
      fc.property(values as fc.Arbitrary<object>, (value) => {
        const reversed = Object.fromEntries(Object.entries(value).toReversed());
        expect(Buffer.compare(codec.encode(reversed), codec.encode(value))).toBe(0);
      }),
    );
  });

  it('answers random bytes and random changes with a named error, or a value of the right form', () => {
    const damaged = fc
      .tuple(values as fc.Arbitrary<unknown>, fc.nat(), fc.uint8Array({ maxLength: 3 }), fc.nat(3))
      .map(([value, at, bytes, cut]) => {
        const whole = codec.encode(value);
        const place = at % whole.length;
        return Buffer.concat([whole.subarray(0, place), bytes, whole.subarray(place + cut)]);
      });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array()), (bytes) => {
        try {
          const value = codec.decode(bytes);
          expect(codec.decode(codec.encode(value))).toEqual(value);
        } catch (error) {
          if (!isLifeboatError(error, 'ManifestInvalid') && !isLifeboatError(error, 'FormatTooNew')) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});

const sumsIn = (buckets: string): bigint[] => [...(unpackBuckets(buckets)?.values() ?? [])];

describe('what a digest protects', () => {
  it('is never accepted with one character changed', () => {
    const guarded = arbitrary.manifest
      .filter((manifest) => manifest.digests.some((digest) => digest.buckets !== ''))
      .chain((manifest) => {
        const index = manifest.digests.findIndex((digest) => digest.buckets !== '');
        return fc.tuple(
          fc.constant(manifest),
          fc.constant(index),
          fc.constantFrom('digest' as const, 'buckets' as const),
          fc.nat(),
          fc.nat(),
        );
      });
    fc.assert(
      fc.property(guarded, ([manifest, index, field, at, by]) => {
        const copy = JSON.parse(Buffer.from(encodeManifest(manifest)).toString());
        const value: string = copy.digests[index][field];
        const alphabet = field === 'digest' ? '0123456789abcdef' : 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
        const place = at % value.replace(/=+$/, '').length;
        const next = alphabet[(alphabet.indexOf(value[place] as string) + 1 + (by % (alphabet.length - 1))) % alphabet.length];
        copy.digests[index][field] = value.slice(0, place) + next + value.slice(place + 1);
        const problem = problemOf(Buffer.from(JSON.stringify(copy)));
        // The number of a bucket is no part of the sum: it says where to look, not what is there.
        if (problem === 'accepted') expect(sumsIn(copy.digests[index].buckets)).toEqual(sumsIn(manifest.digests[index]?.buckets ?? ''));
        else expect(problem).toContain(`digests.${index}.buckets: their sum is not the digest`);
      }),
    );
  });
});

describe('decodeManifest', () => {
  it('accepts what a later version of this format adds', () => {
    expect(decodeManifest(changed('signature', 'x'))).toEqual(example);
    expect(decodeManifest(changed('source.region', 'eu'))).toEqual(example);
    expect(decodeManifest(changed('segments.0.tier', 'cold'))).toEqual(example);
  });

  it('refuses a newer format and says what to do', () => {
    const bytes = Buffer.from('{"formatVersion":2,"segments":"in another form"}');
    expect(() => decodeManifest(bytes)).toThrow(
      expect.objectContaining({ code: 'FormatTooNew', hint: expect.stringContaining('upgrade') }),
    );
  });

  it.each([0, -1, 1.5, '1', null])('refuses %j as a format version', (formatVersion) => {
    expect(problemOf(changed('formatVersion', formatVersion))).toContain('ManifestInvalid: the manifest cannot be trusted: formatVersion');
  });

  const [first, second] = [exampleSegment(0), exampleSegment(1, 'cd'.repeat(32))];
  const inventory: Segment = { ...exampleSegment(0, 'ef'.repeat(32)), role: 'inventory' };
  const [digest] = example.digests;

  it.each([
    ['a field that is not there', 'pointInTime.at', undefined, 'pointInTime.at'],
    ['no details', 'details', undefined, 'details'],
    ['a backup id that is none', 'backup', '../../etc', 'backup: not a backup id'],
    ['a source that cannot be one', 'source.name', '../other', 'source.name: not a source name'],
    ['an absolute key', 'segments.0.key', '/etc/passwd', 'segments.0.key'],
    ['a key that leads out', 'segments.0.key', 'segments/../../x', 'segments.0.key'],
    ['a key of another segment', 'segments.0.key', second.key, 'segments.0.key: it names another ordinal'],
    ['a sha256 of another segment', 'segments.1.sha256', first.sha256, 'segments.1.key: it names another ordinal'],
    ['a size below zero', 'segments.0.bytes', -1, 'segments.0.bytes'],
    ['a size that is no integer', 'segments.0.rawBytes', 1.5, 'segments.0.rawBytes'],
    ['a size beyond what a number holds', 'segments.0.rawBytes', 2 ** 60, 'segments.0.rawBytes'],
    ['swapped segments', 'segments', [second, first], 'segments.1.ordinal: 000000.0000 is not after the one before it'],
    ['a segment twice', 'segments', [first, second, second], 'segments.2.ordinal: 000001.0000 is not after'],
    ['an inventory twice', 'segments', [first, inventory, inventory], `segments: ${inventory.key} is listed twice`],
    ['no segment', 'segments', [], 'segments: no segment is of the artifact'],
    ['only inventories', 'segments', [inventory], 'segments: no segment is of the artifact'],
    ['a class twice', 'digests', [digest, digest], 'digests: class public.t is listed twice'],
    ['a count below zero', 'digests.0.rows', '-1', 'digests.0.rows: not a count'],
    ['a count as a number', 'digests.0.rows', 3, 'digests.0.rows'],
    ['a digest that its buckets are not', 'digests.0.digest', 'f'.repeat(32), 'digests.0.buckets: their sum is not the digest'],
    ['a digest of another scheme', 'digests.0.digest', 'f'.repeat(64), 'digests.0.digest: not 32 hex digits'],
    ['a time that is none', 'startedAt', 'yesterday', 'startedAt'],
    ['an unknown encoding', 'segments.0.encoding', 'lzma', 'segments.0.encoding'],
    ['a time spent below zero', 'timings.total', -1, 'timings.total'],
    ['a hash that is none', 'previous', 'abc', 'previous: not 64 hex digits'],
  ])('names the field of %s', (_, path, value, where) => {
    expect(problemOf(changed(path, value))).toContain(`ManifestInvalid: the manifest cannot be trusted: ${where}`);
  });

  it('takes inventories between the segments of the artifact, in any order', () => {
    expect(decodeManifest(encodeManifest({ ...example, segments: [...example.segments, inventory] })).segments).toHaveLength(3);
  });

  it('refuses the manifest of another source, or of another backup', () => {
    const bytes = encodeManifest(example);
    expect(() => decodeManifest(bytes, { source: 'files', backup })).toThrow(
      'source.name: it is of catalog-prod and lies with the backups of files',
    );
    const other = idAt('2026-11-22T01:30:00Z');
    expect(() => decodeManifest(bytes, { source: 'catalog-prod', backup: other })).toThrow(`backup: it is ${backup} and lies at ${other}`);
    expect(decodeManifest(bytes, { source: 'catalog-prod', backup })).toEqual(example);
  });

  it.each(['', '{', 'null', '[]', '"x"', '\u{feff}', '{"formatVersion":1}'])('refuses %j', (text) => {
    expect(problemOf(Buffer.from(text))).toContain('ManifestInvalid');
  });

  it('refuses what is not UTF-8', () => {
    const bytes = Buffer.from(canonicalJson(example).replace('PostgreSQL', 'Postgre\u00ffSQL'), 'latin1');
    expect(problemOf(bytes)).toContain('it is not JSON in UTF-8');
  });

  it('refuses deeply nested JSON without falling over', () => {
    const bytes = Buffer.from(`{"formatVersion":1,"details":${'['.repeat(200_000)}${']'.repeat(200_000)}}`);
    expect(problemOf(bytes)).toContain('ManifestInvalid');
  });

  it('does not look at more than its limit', () => {
    expect(problemOf(Buffer.alloc(MANIFEST_MAX_BYTES + 1, ' '))).toContain(`more than ${MANIFEST_MAX_BYTES}`);
  });
});

describe('encodeManifest', () => {
  it('does not write what could not be read back', () => {
    expect(() => encodeManifest({ ...example, segments: [] })).toThrow('segments: no segment is of the artifact');
  });

  it('refuses details that are too large', () => {
    expect(() => encodeManifest({ ...example, details: 'x'.repeat(DETAILS_MAX_BYTES) })).toThrow(
      expect.objectContaining({ code: 'RecordTooLarge' }),
    );
  });

  it('refuses a receipt that is too large', () => {
    const segments = [{ ...exampleSegment(0), context: 'x'.repeat(RECEIPT_MAX_BYTES) }];
    expect(() => encodeReceipt({ task: 0, part: 0, segments, digests: [] })).toThrow(expect.objectContaining({ code: 'RecordTooLarge' }));
  });
});
