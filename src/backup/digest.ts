import xxhash, { type XXHashAPI } from 'xxhash-wasm';
import { LifeboatError } from '../errors.ts';
import { BUCKETS, packBuckets, totalOf, unpackBuckets } from './buckets.ts';
import { loadRowHash, STATE_BYTES, SUMS_AT } from './row-hash.ts';
import type { Check, ClassDigest } from './types.ts';
import { growTo } from './wasm-instance.ts';

/** Part of each class's header, so that digests of two schemes never meet. docs/store-format.md defines it to the byte. */
export const DIGEST_SCHEME = 'xxh64x2-sum128/1';

/** "Lifeboat" in ASCII, and the first digits of pi after the point. */
const SEED_LOW = 0x4c696665626f6174n;
const SEED_HIGH = 0x243f6a8885a308d3n;

/** Rows up to this size are copied beside the sums and hashed in one call; larger ones go through in pieces, so that memory stays bounded. */
export const WINDOW_BYTES = 64 * 1024;

export interface DigestFactory {
  /** A digest of the class `name` whose rows have these columns, in this order. */
  open(name: string, columns: readonly string[]): RowDigest;
}

export interface RowDigest {
  /** One row; `keyStart` up to but not including `keyEnd` are the bytes that find the row again in another system. */
  add(row: Uint8Array, keyStart: number, keyEnd: number): void;
  /** Rows that lie one after the other in `bytes`, with anything between them; cheaper than one call for each. */
  addAll(bytes: Uint8Array, places: RowPlaces): void;
  /** What was added; nothing can be added afterwards. */
  end(): ClassDigest;
}

/** Where rows lie in a buffer: `stride` numbers for each. */
export interface RowPlaces {
  readonly numbers: Int32Array;
  readonly count: number;
  readonly stride: number;
  /** Which of a row's numbers is its beginning; the next one is its end. The same for its key. */
  readonly row: number;
  readonly key: number;
}

export const loadDigest = async (): Promise<DigestFactory> => {
  const [library, rowHash] = await Promise.all([xxhash(), loadRowHash()]);
  const free: number[] = [];
  let used = WINDOW_BYTES;
  let bytes = new Uint8Array(rowHash.memory.buffer);

  /** Room for the sums of one class. Growing replaces the buffer under every view. */
  const takeState = (low: bigint, high: bigint): number => {
    const state = free.pop() ?? used;
    if (state === used) used += STATE_BYTES;
    growTo(rowHash.memory, used);
    bytes = new Uint8Array(rowHash.memory.buffer);
    bytes.fill(0, state, state + STATE_BYTES);
    const seeds = new DataView(bytes.buffer, state);
    seeds.setBigUint64(0, low, true);
    seeds.setBigUint64(8, high, true);
    return state;
  };

  return {
    open(name, columns) {
      const header = headerOf(name, columns);
      const low = library.h64Raw(header, SEED_LOW);
      const high = library.h64Raw(header, SEED_HIGH);
      const state = takeState(low, high);
      let rows = 0;
      let ended = false;
      const addOne = (row: Uint8Array, keyStart: number, keyEnd: number): void => {
        if (ended || keyStart < 0 || keyStart > keyEnd || keyEnd > row.length) throw misuse(name, ended);
        rows += 1;
        if (row.length <= WINDOW_BYTES) {
          bytes.set(row, 0);
          rowHash.add(state, 0, row.length, keyStart, keyEnd - keyStart);
          return;
        }
        const first = hashPieces(library, row, low);
        const key = keyEnd - keyStart === row.length ? first : hashPieces(library, row.subarray(keyStart, keyEnd), low);
        rowHash.put(state, first, hashPieces(library, row, high), key);
      };
      const addAll = (source: Uint8Array, { numbers, count, stride, row, key }: RowPlaces): void => {
        const at = (index: number, number: number): number => numbers[index * stride + number] as number;
        for (let next = 0; next < count; ) {
          const from = at(next, row);
          let last = next;
          while (last < count && at(last, row + 1) - from <= WINDOW_BYTES) last++;
          if (last === next) {
            addOne(source.subarray(from, at(next, row + 1)), at(next, key) - from, at(next, key + 1) - from);
            next += 1;
            continue;
          }
          bytes.set(source.subarray(from, at(last - 1, row + 1)), 0);
          for (; next < last; next++) {
            const [start, end, keyStart, keyEnd] = [at(next, row), at(next, row + 1), at(next, key), at(next, key + 1)];
            if (ended || keyStart < start || keyStart > keyEnd || keyEnd > end) throw misuse(name, ended);
            rows += 1;
            rowHash.add(state, start - from, end - start, keyStart - start, keyEnd - keyStart);
          }
        }
      };
      return {
        add: addOne,
        addAll,
        end() {
          if (ended) throw misuse(name, ended);
          ended = true;
          const sums = sumsOf(new DataView(bytes.buffer, state, STATE_BYTES));
          free.push(state);
          return { name, rows: String(rows), digest: totalOf(sums), shape: hex64(high) + hex64(low), buckets: packBuckets(sums) };
        },
      };
    },
  };
};

const misuse = (name: string, ended: boolean): RangeError =>
  new RangeError(ended ? `the digest of ${name} has ended` : `a key of ${name} lies outside of its row`);

const hashPieces = (library: XXHashAPI, bytes: Uint8Array, seed: bigint): bigint => {
  const hash = library.create64(seed);
  for (let at = 0; at < bytes.length; at += WINDOW_BYTES) hash.update(bytes.subarray(at, at + WINDOW_BYTES));
  return hash.digest();
};

const sumsOf = (state: DataView): ReadonlyMap<number, bigint> => {
  const sums = new Map<number, bigint>();
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const at = SUMS_AT + bucket * 16;
    sums.set(bucket, (state.getBigUint64(at + 8, true) << 64n) | state.getBigUint64(at, true));
  }
  return sums;
};

const hex64 = (value: bigint): string => value.toString(16).padStart(16, '0');

/** Scheme, name and columns, each behind its length in UTF-8 bytes as four bytes, most significant first. */
const headerOf = (name: string, columns: readonly string[]): Uint8Array =>
  Buffer.concat(
    [DIGEST_SCHEME, name, ...columns].flatMap((text) => {
      const bytes = Buffer.from(text, 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );

/** Adds up parts of classes, in any order and of any size. */
export interface DigestSum {
  /** Fails with DigestMismatch when the part's class was seen with other columns. */
  add(part: ClassDigest): void;
  /** One digest a class, by name. */
  end(): ClassDigest[];
}

export const openSum = (): DigestSum => {
  const classes = new Map<string, { rows: bigint; readonly shape: string; readonly sums: Map<number, bigint> }>();
  return {
    add(part) {
      const known = classes.get(part.name) ?? { rows: 0n, shape: part.shape, sums: new Map<number, bigint>() };
      if (known.shape !== part.shape)
        throw new LifeboatError('DigestMismatch', `two parts of ${part.name} have different columns`, {
          hint: 'The source was altered while it was read, or two versions of Lifeboat worked on one backup. Start anew.',
        });
      for (const [bucket, sum] of bucketsOf(part)) known.sums.set(bucket, (known.sums.get(bucket) ?? 0n) + sum);
      known.rows += BigInt(part.rows);
      classes.set(part.name, known);
    },
    end: () =>
      [...classes]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, { rows, shape, sums }]) => ({ name, rows: String(rows), digest: totalOf(sums), shape, buckets: packBuckets(sums) })),
  };
};

/** One digest a class, by name. Fails with DigestMismatch when parts of a class differ in their columns. */
export const sumDigests = (parts: Iterable<ClassDigest>): ClassDigest[] => {
  const sum = openSum();
  for (const part of parts) sum.add(part);
  return sum.end();
};

const bucketsOf = (digest: ClassDigest): ReadonlyMap<number, bigint> => {
  const sums = unpackBuckets(digest.buckets);
  if (sums === undefined || totalOf(sums) !== digest.digest)
    throw new LifeboatError('DigestMismatch', `the buckets of ${digest.name} do not add up to its digest`, {
      hint: 'The record that holds them was damaged or changed.',
    });
  return sums;
};

/** Two checks a class, rows and content; a class that only one side has fails both. By class name. */
export const compareDigests = (expected: Iterable<ClassDigest>, actual: Iterable<ClassDigest>): Check[] => {
  const wanted = byName(expected);
  const found = byName(actual);
  const names = [...new Set([...wanted.keys(), ...found.keys()])].sort();
  return names.flatMap((name) => compareClass(name, wanted.get(name), found.get(name)));
};

const byName = (digests: Iterable<ClassDigest>): ReadonlyMap<string, ClassDigest> =>
  new Map(sumDigests(digests).map((digest) => [digest.name, digest]));

const compareClass = (name: string, expected: ClassDigest | undefined, actual: ClassDigest | undefined): Check[] => {
  const otherColumns = expected !== undefined && actual !== undefined && expected.shape !== actual.shape;
  const content = ({ digest, shape }: ClassDigest): string => (otherColumns ? `${digest} with columns ${shape}` : digest);
  const check = (what: string, show: (digest: ClassDigest) => string): Check => {
    const pair = {
      expected: expected === undefined ? 'not in the backup' : show(expected),
      actual: actual === undefined ? 'missing' : show(actual),
    };
    return { name: `${what} of ${name}`, ...pair, ok: pair.expected === pair.actual, class: name };
  };
  return [check('rows', ({ rows }) => rows), check('content', content)];
};

/** Numbers of the buckets in which two digests of one class differ: where to look. */
export const differingBuckets = (a: ClassDigest, b: ClassDigest): number[] => {
  const left = bucketsOf(a);
  const right = bucketsOf(b);
  return [...new Set([...left.keys(), ...right.keys()])].filter((bucket) => left.get(bucket) !== right.get(bucket)).sort((x, y) => x - y);
};
