import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseValue } from '../../../src/sources/juicefs/format/json.ts';
import { readAttr, readChunks } from '../../../src/sources/juicefs/format/read-fields.ts';
import { type Quick, quickAttr, quickChunks } from '../../../src/sources/juicefs/format/read-quick.ts';
import { fixture } from './harness.ts';

/** What the reader of any JSON makes of it; undefined where it refuses. */
const slowly = <Read>(text: string, read: (value: ReturnType<typeof parseValue>) => Read): Read | undefined => {
  try {
    return read(parseValue(text));
  } catch {
    return undefined;
  }
};

/** Among other bytes, as in a dump. */
const quickly = <Read>(text: string, read: (bytes: Buffer, from: number) => Quick<Read> | undefined): Read | undefined => {
  const bytes = Buffer.from(`  ${text},"more":1}`);
  const quick = read(bytes, 2);
  if (quick !== undefined) expect(bytes.subarray(2, quick.end).toString()).toBe(text);
  return quick?.read;
};

const FIELDS = ['inode', 'flags', 'type', 'mode', 'uid', 'gid', 'atime', 'mtime', 'ctime', 'atimensec', 'mtimensec', 'ctimensec'];
const MORE = ['nlink', 'length', 'rdev', 'tier'];
const integer = fc.oneof(
  { weight: 40, arbitrary: fc.integer({ min: 0, max: 255 }).map(String) },
  fc.integer({ min: -3, max: 300 }).map(String),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.constantFrom('4294967295', '4294967296', '999999999', '9007199254740993', '9223372032828243969', '18446744073709551616'),
);
const odd = fc.constantFrom('null', 'true', '"7"', '1.5', '1e3', '-', '007', '-0', '{}', '[]', '"unknown"', '"directory"', '"dir"', '');
const value = fc.oneof({ weight: 60, arbitrary: integer }, { weight: 1, arbitrary: odd });
const space = fc.constantFrom('', '', '', ' ', '\n  ');

const object = (names: readonly string[], first: string): fc.Arbitrary<string> =>
  fc
    .tuple(fc.shuffledSubarray([...names], { minLength: 1 }), fc.array(value, { minLength: 20, maxLength: 20 }), space, fc.boolean())
    .map(([keys, values, gap, sorted]) => {
      const used = sorted ? names.filter((name) => keys.includes(name)) : keys;
      const members = used.map((name, i) => `"${name}"${gap}:${name === 'type' ? '"regular"' : gap + values[i]}`);
      return `{${gap}${[first, ...members].filter((one) => one !== '').join(`${gap},${gap}`)}${gap}}`;
    });

describe('what is read quickly', () => {
  it('is what the reader of any JSON reads, or nothing', () => {
    let read = 0;
    fc.assert(
      fc.property(object([...FIELDS, ...MORE], '"inode":7'), (text) => {
        const quick = quickly(text, quickAttr);
        if (quick === undefined) return;
        read++;
        expect(quick).toEqual(slowly(text, readAttr));
      }),
      { numRuns: 1500 },
    );
    const chunks = fc
      .array(fc.array(object(['chunkid', 'id', 'pos', 'size', 'off', 'len'], ''), { maxLength: 3 }), { maxLength: 3 })
      .chain((lists) => fc.tuple(fc.constant(lists), value, space))
      .map(
        ([lists, index, gap]) =>
          `[${gap}${lists.map((slices) => `{"index":${index},${gap}"slices":[${slices.join(`${gap},`)}${gap}]}`).join(`${gap},${gap}`)}${gap}]`,
      );
    fc.assert(
      fc.property(chunks, (text) => {
        const quick = quickly(text, quickChunks);
        if (quick === undefined) return;
        read++;
        expect(quick).toEqual(slowly(text, readChunks));
      }),
      { numRuns: 1500 },
    );
    expect(read).toBeGreaterThan(100);
  });

  it('is all that the real juicefs writes of it', () => {
    for (const name of ['redis.json', 'hazards/holes-chunkref.json']) {
      const dump = fixture(name).toString();
      const attrs = [...dump.matchAll(/"attr": (\{[^}]*\})/g)].map(([, text = '']) => text);
      expect(attrs.length).toBeGreaterThan(3);
      for (const text of attrs) expect(quickly(text, quickAttr), text).toEqual(slowly(text, readAttr));
      const chunks = [...dump.matchAll(/"chunks": (\[[\s\S]*?\]\s*\}\s*\])/g)].map(([, text = '']) => text);
      expect(chunks.length).toBeGreaterThan(0);
      for (const text of chunks) expect(quickly(text, quickChunks), text).toEqual(slowly(text, readChunks));
    }
  });

  it('never reads what is cut', () => {
    const attr = '{"inode":12,"type":"regular","mode":420,"uid":1000,"gid":1000,"nlink":1,"length":1234}';
    const chunks = '[{"index":0,"slices":[{"id":1,"pos":0,"size":9,"len":9}]},{"index":1,"slices":[{"id":2,"size":9,"len":9}]}]';
    expect(quickAttr(Buffer.from(attr), 0)?.end).toBe(attr.length);
    expect(quickChunks(Buffer.from(chunks), 0)?.end).toBe(chunks.length);
    for (let end = 0; end < attr.length; end++) expect(quickAttr(Buffer.from(attr).subarray(0, end), 0)).toBeUndefined();
    for (let end = 0; end < chunks.length; end++) expect(quickChunks(Buffer.from(chunks).subarray(0, end), 0)).toBeUndefined();
  });
});
