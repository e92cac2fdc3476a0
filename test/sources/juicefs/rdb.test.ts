import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { LifeboatError } from '../../../src/errors.ts';
import { openRdb, type Piece } from '../../../src/sources/juicefs/rdb/read.ts';
import { intset, key, length, listpack, lzf, rdb, text, wideLength, ziplist } from '../../support/rdb.ts';
import { fixture } from './harness.ts';

const folder = mkdtempSync(join(tmpdir(), 'lifeboat-rdb-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Read {
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly pieces: readonly Piece[];
  readonly aux: ReadonlyMap<string, string>;
  readonly version: number;
}

/** All keys of a database of an RDB. */
const readAll = (bytes: Uint8Array, database = 0, wants: (name: string) => boolean = () => true): Read => {
  const path = join(folder, 'one.rdb');
  writeFileSync(path, bytes);
  const file = openSync(path, 'r');
  try {
    const open = openRdb(file, { database, nameOf: (key) => (wants(key.toString()) ? key.toString() : undefined) });
    const pieces = [...open.pieces()];
    const values = new Map<string, string[]>();
    for (const { name, items } of pieces) values.set(name, [...(values.get(name) ?? []), ...items.map((item) => item.toString('latin1'))]);
    return { values, pieces, aux: open.aux, version: open.version };
  } finally {
    closeSync(file);
  }
};

const onlyValue = (type: number, value: Buffer): readonly string[] | undefined => readAll(rdb([key(type, 'k', value)])).values.get('k');

const long = 'x'.repeat(300);
const integers = [
  { raw: [0xf1] },
  { raw: [0xfd] },
  { raw: [0xfe, 0x80] },
  { raw: [0xc0, 0xff, 0x7f] },
  { raw: [0xf0, 0x00, 0x00, 0x80] },
  { raw: [0xd0, 0x00, 0x00, 0x00, 0x80] },
  { raw: [0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f] },
];
const packed = [
  { raw: [0x7f] },
  { raw: [0xdf, 0xff] },
  { raw: [0xf1, 0xff, 0x7f] },
  { raw: [0xf2, 0x00, 0x00, 0x80] },
  { raw: [0xf3, 0x00, 0x00, 0x00, 0x80] },
  { raw: [0xf4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f] },
];

describe('the values of an RDB, in every encoding', () => {
  it.each<[string, number, Buffer, readonly string[]]>([
    ['a string', 0, text('value'), ['value']],
    ['a long string', 0, text(long), [long]],
    ['8 bits', 0, Buffer.from([0xc0, 0x80]), ['-128']],
    ['16 bits', 0, Buffer.from([0xc1, 0xff, 0x7f]), ['32767']],
    ['32 bits', 0, Buffer.from([0xc2, 0x00, 0x00, 0x00, 0x80]), ['-2147483648']],
    ['LZF', 0, lzf(Buffer.from(`${long}y`), 1000), [`${long}y${'y'.repeat(1000)}`]],
    ['a list of strings', 1, Buffer.concat([length(2), text('a'), text('b')]), ['a', 'b']],
    ['a set of strings', 2, Buffer.concat([length(2), text('a'), text('b')]), ['a', 'b']],
    [
      'a sorted set with scores as text',
      3,
      Buffer.concat([
        length(3),
        text('a'),
        Buffer.from([3]),
        Buffer.from('1.5'),
        text('b'),
        Buffer.from([254]),
        text('c'),
        Buffer.from([255]),
      ]),
      ['a', '1.5', 'b', 'Infinity', 'c', '-Infinity'],
    ],
    ['a hash', 4, Buffer.concat([length(1), text('f'), text('v')]), ['f', 'v']],
    [
      'a sorted set with scores as doubles',
      5,
      Buffer.concat([length(1), text('a'), Buffer.from([0, 0, 0, 0, 0, 0, 0xf8, 0x3f])]),
      ['a', '1.5'],
    ],
    ['a ziplist of strings', 10, text(ziplist(['a', long, 'c'])), ['a', long, 'c']],
    ['a ziplist of numbers', 10, text(ziplist(integers)), ['0', '12', '-128', '32767', '-8388608', '-2147483648', '9223372036854775807']],
    ['an intset of 2', 11, text(intset(2, [-5, 7])), ['-5', '7']],
    ['an intset of 4', 11, text(intset(4, [-70_000])), ['-70000']],
    ['an intset of 8', 11, text(intset(8, [2 ** 40])), [String(2 ** 40)]],
    ['a sorted set in a ziplist', 12, text(ziplist(['a', '1.5'])), ['a', '1.5']],
    ['a hash in a ziplist', 13, text(ziplist(['f', 'v'])), ['f', 'v']],
    ['a quicklist', 14, Buffer.concat([length(2), text(ziplist(['a'])), text(ziplist(['b', 'c']))]), ['a', 'b', 'c']],
    ['a hash in a listpack', 16, text(listpack(['f', long])), ['f', long]],
    ['a listpack of numbers', 16, text(listpack(packed)), ['127', '-1', '32767', '-8388608', '-2147483648', '9223372036854775807']],
    ['a sorted set in a listpack', 17, text(listpack(['a', '2'])), ['a', '2']],
    [
      'a quicklist of listpacks and plain strings',
      18,
      Buffer.concat([length(2), length(2), text(listpack(['a', 'b'])), length(1), text(long)]),
      ['a', 'b', long],
    ],
    ['a set in a listpack', 20, text(listpack(['a'])), ['a']],
  ])('%s', (_name, type, value, expected) => {
    expect(onlyValue(type, value)).toEqual(expected);
  });

  it('comes in pieces when it is large', () => {
    const fields = Array.from({ length: 5000 }, (_, i) => [text(`f${i}`), text(`v${i}`)]).flat();
    const { pieces, values } = readAll(rdb([key(4, 'k', Buffer.concat([length(5000), ...fields]))]));
    expect(pieces.map(({ part, items }) => [part, items.length])).toEqual([0, 1, 2, 3, 4].map((part) => [part, 2000]));
    expect(values.get('k')?.slice(-2)).toEqual(['f4999', 'v4999']);
  });
});

describe('what else stands in an RDB', () => {
  const id = Buffer.alloc(16);
  const time = Buffer.alloc(8);
  const stream3 = Buffer.concat([
    ...[length(1), text(id), text(listpack(['entry']))],
    ...Array.from({ length: 8 }, () => length(1)),
    ...[length(1), text('group'), length(1), length(1), length(1)],
    ...[length(1), id, time, length(1)],
    ...[length(1), text('consumer'), time, time, length(1), id],
  ]);
  const module2 = Buffer.concat([
    wideLength(7n),
    length(1),
    length(5),
    length(2),
    length(5),
    length(5),
    text('s'),
    length(4),
    time,
    length(3),
    Buffer.alloc(4),
    length(0),
  ]);

  it('is gone past: other databases, streams, modules, functions, hints', () => {
    const { values, aux, version } = readAll(
      rdb([
        Buffer.concat([Buffer.from([250]), text('redis-ver'), text('7.4.0')]),
        Buffer.concat([Buffer.from([247]), wideLength(9n), length(2), length(1), length(5), text('x'), length(0)]),
        Buffer.concat([Buffer.from([245]), text('#!lua name=lib')]),
        Buffer.concat([Buffer.from([254]), length(3), Buffer.from([251]), length(9), length(0)]),
        key(0, 'elsewhere', text('v')),
        key(21, 'stream', stream3),
        key(7, 'module', module2),
        key(24, 'expiring', Buffer.concat([time, length(1), length(0), text('f'), text('v')])),
        key(25, 'expiring', Buffer.concat([time, text(listpack(['f', 'v', '0']))])),
        key(9, 'zipmap', text('zipmap')),
        Buffer.concat([Buffer.from([254]), length(1), Buffer.from([244]), length(1), length(1), length(1)]),
        Buffer.concat([Buffer.from([249, 5]), Buffer.from([248]), length(300)]),
        key(0, 'here', text('v')),
      ]),
      1,
    );
    expect([...values]).toEqual([['here', ['v']]]);
    expect(aux.get('redis-ver')).toBe('7.4.0');
    expect(version).toBe(11);
  });

  it('is the header of Valkey 9, and a type whose number Redis uses otherwise', () => {
    const fields = Buffer.concat([length(1), text('f'), text('v'), time]);
    expect([
      ...readAll(rdb([key(22, 'other', fields), key(0, 'k', text('v'))], { header: 'VALKEY080' }), 0, (name) => name === 'k').values,
    ]).toEqual([['k', ['v']]]);
  });

  it('is a key whose time was over when the file was written', () => {
    const expire = (seconds: number): Buffer => {
      const bytes = Buffer.alloc(9, 252);
      bytes.writeBigInt64LE(BigInt(seconds) * 1000n, 1);
      return bytes;
    };
    const ctime = Buffer.concat([Buffer.from([250]), text('ctime'), text('1000')]);
    const { values } = readAll(
      rdb([ctime, expire(999), key(0, 'over', text('v')), expire(1001), key(0, 'alive', text('v')), key(0, 'plain', text('v'))]),
    );
    expect([...values.keys()]).toEqual(['alive', 'plain']);
  });

  it.each<[string, Buffer, string]>([
    ['a key of ours that is a stream', rdb([key(21, 'd1', stream3)]), 'Unsupported'],
    ['a type that is not known', rdb([key(99, 'd1', text('x'))]), 'Unsupported'],
    ['an opcode that is not known', rdb([Buffer.from([200])]), 'Unsupported'],
    ['the format of a server of long ago', rdb([], { header: 'REDIS0006' }), 'Unsupported'],
    ['another file', Buffer.from('SQLite format 3\0 and so on'), 'ArtifactInvalid'],
    ['nothing', Buffer.alloc(0), 'ArtifactInvalid'],
    ['more than an RDB', Buffer.concat([rdb([key(0, 'k', text('v'))]), Buffer.from('more')]), 'ArtifactInvalid'],
    ['half a pair', rdb([key(16, 'd1', text(listpack(['f'])))]), 'ArtifactInvalid'],
    ['a string longer than any', rdb([key(0, 'd1', wideLength(2n ** 62n))], { sum: false }), 'ArtifactInvalid'],
  ])('refuses %s', (_name, bytes, code) => {
    expect(() => readAll(bytes)).toThrow(expect.objectContaining({ name: code }));
  });

  it('is read without a checksum where the server made none', () => {
    expect([...readAll(rdb([key(0, 'k', text('v'))], { sum: false })).values]).toEqual([['k', ['v']]]);
  });
});

describe('an RDB that was damaged', () => {
  const whole = fixture('state/redis-db1.rdb');
  const outcome = (bytes: Uint8Array): string => {
    try {
      readAll(bytes, 1);
      return 'read';
    } catch (error) {
      // Anything else is a hole in the bounds.
      return error instanceof LifeboatError ? error.code : `crashed: ${String(error)}`;
    }
  };

  it('is whole to begin with', () => expect(outcome(whole)).toBe('read'));

  it('is refused wherever it was cut', () => {
    const cuts = Array.from({ length: 400 }, (_, i) => Math.floor((i * whole.length) / 400));
    const outcomes = new Set([...cuts, whole.length - 1, whole.length - 8].map((end) => outcome(whole.subarray(0, end))));
    expect([...outcomes]).toEqual(['ArtifactInvalid']);
  });

  it('is refused whichever bit was changed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: whole.length * 8 - 1 }), (bit) => {
        const bytes = Buffer.from(whole);
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(['ArtifactInvalid', 'Unsupported']).toContain(outcome(bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('does no harm where no checksum guards it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 9, max: whole.length - 9 }), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const bytes = Buffer.from(whole);
          for (const [at, value] of changes) bytes[at] = value;
          bytes.fill(0, bytes.length - 8);
          expect(['read', 'ArtifactInvalid', 'Unsupported']).toContain(outcome(bytes));
        },
      ),
      { numRuns: 500 },
    );
  });
});
