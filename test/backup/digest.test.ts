import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { unpackBuckets } from '../../src/backup/buckets.ts';
import { compareDigests, type DigestFactory, differingBuckets, loadDigest, sumDigests } from '../../src/backup/digest.ts';
import type { ClassDigest } from '../../src/backup/types.ts';
import vectors from './digest-vectors.json' with { type: 'json' };

/** COPY lines whose first column is the key. */
const row = fc.tuple(fc.nat(500), fc.string({ maxLength: 60 })).map(([id, value]) => `${id}\t${value}\n`);
const rows = fc.array(row, { minLength: 1, maxLength: 40 });

let factory: DigestFactory;
beforeAll(async () => {
  factory = await loadDigest();
});

const digestOf = (lines: readonly string[], name = 'public.t', columns: readonly string[] = ['id', 'value']): ClassDigest => {
  const digest = factory.open(name, columns);
  for (const line of lines) {
    const bytes = Buffer.from(line);
    digest.add(bytes, 0, Math.max(0, bytes.indexOf('\t')));
  }
  return digest.end();
};

describe('a class digest', () => {
  it.each(vectors)('is what it was when version 1 was published: $about', ({ name, columns, rows: lines, expected }) => {
    expect(digestOf(lines, name, columns)).toEqual({ name, ...expected });
  });

  it('does not depend on the order of the rows', () => {
    const shuffled = rows.chain((lines) =>
      fc.tuple(fc.constant(lines), fc.shuffledSubarray(lines, { minLength: lines.length, maxLength: lines.length })),
    );
    fc.assert(
      fc.property(shuffled, ([lines, others]) => {
        expect(digestOf(others)).toEqual(digestOf(lines));
      }),
    );
  });

  it('is the same for rows of one buffer, whatever their lengths', () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom(1, 30, 40_000, 64 * 1024, 64 * 1024 + 1, 200_000)), {
          maxLength: 8,
        }),
        (shapes) => {
          const lines = shapes.map(([key, length], i) => `${'k'.repeat(key)}\t${String(i).repeat(length)}`);
          const digest = factory.open('public.t', ['id', 'value']);
          let at = 0;
          const numbers = Int32Array.from(
            lines.flatMap((line) => {
              const start = at;
              at += line.length + 2;
              return [0, start, start + line.length, start, start + line.indexOf('\t')];
            }),
          );
          digest.addAll(Buffer.from(lines.map((line) => `${line},\n`).join('')), {
            numbers,
            count: lines.length,
            stride: 5,
            row: 1,
            key: 3,
          });
          expect(digest.end()).toEqual(digestOf(lines));
        },
      ),
      { numRuns: 40 },
    ));

  it('is the sum of any parts of it', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(row, fc.nat(4)), { maxLength: 40 }), (placed) => {
        const parts = [0, 1, 2, 3, 4].map((part) => digestOf(placed.filter(([, at]) => at === part).map(([line]) => line)));
        expect(sumDigests(parts)).toEqual([digestOf(placed.map(([line]) => line))]);
      }),
    );
  });

  it('differs when a row is lost', () => {
    fc.assert(
      fc.property(rows, fc.nat(), (lines, at) => {
        const left = lines.toSpliced(at % lines.length, 1);
        expect(digestOf(left).digest).not.toBe(digestOf(lines).digest);
      }),
    );
  });

  it('differs when a row is there twice', () => {
    fc.assert(
      fc.property(rows, fc.nat(), (lines, at) => {
        const doubled = [...lines, lines[at % lines.length] as string];
        expect(digestOf(doubled).digest).not.toBe(digestOf(lines).digest);
      }),
    );
  });

  it('differs when one bit of a row does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(), (bytes, at) => {
        const changed = bytes.slice();
        const bit = at % (bytes.length * 8);
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        const [before, after] = [bytes, changed].map((one) => {
          const digest = factory.open('t', []);
          digest.add(one, 0, 0);
          return digest.end().digest;
        });
        expect(after).not.toBe(before);
      }),
    );
  });

  it('differs when two rows swap their values', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(), { minLength: 2, maxLength: 2 }),
        fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 2 }),
        (ids, values) => {
          const before = ids.map((id, i) => `${id}\t${values[i]}\n`);
          const after = ids.map((id, i) => `${id}\t${values[1 - i]}\n`);
          expect(digestOf(after).digest).not.toBe(digestOf(before).digest);
        },
      ),
    );
  });

  it('differs, even without rows, when the class or its columns do', () => {
    const shapes = [
      digestOf([], 't', ['a', 'b']),
      digestOf([], 't', ['b', 'a']),
      digestOf([], 't', ['ab']),
      digestOf([], 't', ['a']),
      digestOf([], 't', []),
      digestOf([], 'ta', ['b']),
    ].map(({ shape }) => shape);
    expect(new Set(shapes).size).toBe(shapes.length);
  });

  it('names the bucket of the row that changed, and no other', () => {
    fc.assert(
      fc.property(rows, fc.nat(), (lines, at) => {
        const index = at % lines.length;
        const changed = lines.with(index, `${(lines[index] as string).split('\t')[0]}\tanother value than any before it\n`);
        const alone = [...(unpackBuckets(digestOf([lines[index] as string]).buckets)?.keys() ?? [])];
        expect(differingBuckets(digestOf(lines), digestOf(changed))).toEqual(alone);
      }),
    );
  });
});

describe('sumDigests', () => {
  it('is sorted by name, and empty for nothing', () => {
    expect(sumDigests([])).toEqual([]);
    expect(sumDigests([digestOf([], 'b'), digestOf([], 'a'), digestOf([], 'b')]).map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('adds up counts beyond what a number holds', () => {
    const many = { ...digestOf([]), rows: '9007199254740993' };
    expect(sumDigests([many, many])[0]?.rows).toBe('18014398509481986');
  });

  it('refuses parts with different columns', () => {
    expect(() => sumDigests([digestOf([], 't', ['a']), digestOf([], 't', ['b'])])).toThrow(
      expect.objectContaining({ code: 'DigestMismatch' }),
    );
  });

  it('refuses a part whose buckets do not add up', () => {
    const part = digestOf(['1\ta\n', '2\tb\n']);
    for (const buckets of ['', part.buckets.slice(0, 20), `${part.buckets}AAAA`, digestOf(['1\ta\n']).buckets, '????'])
      expect(() => sumDigests([{ ...part, buckets }])).toThrow(expect.objectContaining({ code: 'DigestMismatch' }));
  });
});

describe('compareDigests', () => {
  const lines = ['1\ta\n', '2\tb\n'];

  it('passes two checks a class when all is equal', () => {
    const checks = compareDigests([digestOf(lines)], [digestOf(lines.toReversed())]);
    expect(checks.map(({ name, ok }) => ({ name, ok }))).toEqual([
      { name: 'rows of public.t', ok: true },
      { name: 'content of public.t', ok: true },
    ]);
    expect(checks.every((check) => check.class === 'public.t')).toBe(true);
  });

  it('tells a changed row from a lost one', () => {
    expect(compareDigests([digestOf(lines)], [digestOf(['1\ta\n', '2\tc\n'])]).map(({ ok }) => ok)).toEqual([true, false]);
    expect(compareDigests([digestOf(lines)], [digestOf(['1\ta\n'])])).toMatchObject([
      { expected: '2', actual: '1', ok: false },
      { ok: false },
    ]);
  });

  it('fails a class that is missing and one that is too much, each by name', () => {
    const checks = compareDigests([digestOf([], 'kept'), digestOf([], 'lost')], [digestOf([], 'kept'), digestOf([], 'new')]);
    expect(checks.filter(({ ok }) => !ok).map(({ class: one, expected, actual }) => [one, expected, actual])).toMatchObject([
      ['lost', '0', 'missing'],
      ['lost', '0'.repeat(32), 'missing'],
      ['new', 'not in the backup', '0'],
      ['new', 'not in the backup', '0'.repeat(32)],
    ]);
  });

  it('fails an empty class with other columns', () => {
    expect(compareDigests([digestOf([], 't', ['a'])], [digestOf([], 't', ['b'])]).map(({ ok }) => ok)).toEqual([true, false]);
  });
});
