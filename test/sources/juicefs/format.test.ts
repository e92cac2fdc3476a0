import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bare } from '../../../src/sources/juicefs/engines/reader.ts';
import { escapeName, unescapeName } from '../../../src/sources/juicefs/format/escape.ts';
import { marshal, parseValue } from '../../../src/sources/juicefs/format/json.ts';
import { type Handler, openParser } from '../../../src/sources/juicefs/format/parse.ts';
import { textBuffer } from '../../../src/sources/juicefs/format/text-buffer.ts';
import { closeEntry, DOCUMENT_END, TREE_END, writeEntry, writeTree } from '../../../src/sources/juicefs/format/write-entry.ts';
import type { Acl, Chunk, Entry, Xattr } from '../../../src/sources/juicefs/model.ts';
import { fixture } from './harness.ts';

const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'utf8'));
const shown = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

describe('the escape of names', () => {
  it.each([
    ['plain', 'plain'],
    ['a b', 'a%20b'],
    ['100%', '100%25'],
    ['"\\', '%22%5C'],
    ['\u2028<&>日本', '\u2028<&>日本'],
    ['\u007f', '\u007f'],
    ['\ufffd', '%EF%BF%BD'],
  ])('of %j is %j', (name, escaped) => {
    expect(Buffer.from(escapeName(utf8(name))).toString('utf8')).toBe(escaped);
  });

  it.each([
    [[0xff, 0xfe], '%FF%FE'],
    [[0x63, 0xc0, 0xaf], 'c%C0%AF'],
    [[0xed, 0xa0, 0x80], '%ED%A0%80'],
    [[0xe6, 0x97], '%E6%97'],
    [[0xf4, 0x90, 0x80, 0x80], '%F4%90%80%80'],
    [[0xe0, 0x9f, 0xbf], '%E0%9F%BF'],
  ])('of bytes that are no UTF-8 keeps each of them: %j', (bytes, escaped) => {
    expect(shown(escapeName(Uint8Array.from(bytes)))).toBe(escaped);
  });

  it('is undone to the byte, whatever the name', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (name) => {
        expect([...unescapeName(escapeName(name))]).toEqual([...name]);
      }),
    );
  });

  it('has nothing in it that JSON would have to escapeName', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (name) => {
        const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(escapeName(name));
        expect(JSON.parse(`"${text}"`)).toBe(text);
      }),
    );
  });

  it('leaves lower-case digits and cut escapes alone', () => {
    expect(shown(unescapeName(utf8('%ff%F%2')))).toBe('%ff%F%2');
  });
});

describe('JSON of 64 bits', () => {
  it('keeps numbers beyond 2^53 apart', () => {
    expect(parseValue('[9223372032828243968,9223372032828243969]')).toEqual([9223372032828243968n, 9223372032828243969n]);
  });

  it('comes back as it was', () => {
    const value = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), fc.string(), fc.boolean());
    fc.assert(
      fc.property(fc.array(value), (values) => {
        const plain = values.map((one) => (typeof one === 'bigint' && Number.isSafeInteger(Number(one)) ? Number(one) : one));
        expect(parseValue(marshal(values))).toEqual(plain);
      }),
    );
  });
});

const u32 = fc.integer({ min: 0, max: 4_294_967_295 });
const name = fc.uint8Array({ minLength: 1, maxLength: 255 });
const acl: fc.Arbitrary<Acl> = fc.record({
  owner: fc.integer({ min: 0, max: 7 }),
  group: fc.integer({ min: 0, max: 7 }),
  other: fc.integer({ min: 0, max: 7 }),
  mask: fc.constantFrom(0, 5, 65535),
  users: fc.array(fc.record({ id: u32, perm: fc.integer({ min: 0, max: 7 }) }), { maxLength: 3 }),
  groups: fc.array(fc.record({ id: u32, perm: fc.integer({ min: 0, max: 7 }) }), { maxLength: 3 }),
});
const xattr: fc.Arbitrary<Xattr> = fc.record({
  name: fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' }).map(utf8),
  value: fc.uint8Array({ maxLength: 100 }),
});
const chunk: fc.Arbitrary<Chunk> = fc.record({
  index: u32,
  slices: fc.integer({ min: 1, max: 4 }).chain((n) => fc.uint8Array({ minLength: 24 * n, maxLength: 24 * n })),
});
const file: fc.Arbitrary<Entry> = fc
  .record({
    name,
    inode: fc.bigInt({ min: 2n, max: 2n ** 63n - 1n }),
    uid: u32,
    length: fc.bigInt({ min: 0n, max: 2n ** 62n }),
    atime: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
    atimensec: fc.integer({ min: 0, max: 999_999_999 }),
    xattrs: fc.array(xattr, { minLength: 1, maxLength: 3 }),
    accessAcl: acl,
    chunks: fc.array(chunk, { minLength: 1, maxLength: 3 }),
  })
  .map(({ name: own, inode, uid, length, atime, atimensec, ...rest }) => ({
    name: own,
    attr: { ...bare({ inode, type: 1 }), uid, length, atime, atimensec },
    ...rest,
  }));

const root: Entry = { name: new Uint8Array(), attr: { ...bare({ inode: 1n, type: 2 }) } };
const folder = (own: Uint8Array, inode: bigint): Entry => ({ name: own, attr: bare({ inode, type: 2 }) });

const collect = () => {
  const entries: { readonly entry: Entry; readonly parent: bigint }[] = [];
  const handler: Handler = { field: () => {}, root: () => {}, entry: (entry, parent) => entries.push({ entry, parent }) };
  return { entries, handler };
};

/** As comparable values: views of one buffer differ in what lies around them. */
const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return shown(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
};

describe('entries', () => {
  it('come back as they were written, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(file, { maxLength: 6 }), fc.integer({ min: 1, max: 500 }), (files, size) => {
        const out = textBuffer();
        out.ascii('{\n');
        writeTree(out, 'FSTree', root);
        writeEntry(out, folder(utf8('sub'), 7n), 0, true);
        for (const [i, one] of files.entries()) writeEntry(out, one, 1, i === 0);
        closeEntry(out, 0);
        out.ascii(TREE_END + DOCUMENT_END);
        const bytes = out.take(true) ?? new Uint8Array();
        const { entries, handler } = collect();
        const parser = openParser({ at: 'document' }, handler);
        for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size));
        parser.end();
        expect(entries.map(({ entry }) => plain(entry))).toEqual([folder(utf8('sub'), 7n), ...files].map(plain));
        expect(entries.map(({ parent }) => parent)).toEqual([1n, ...files.map(() => 7n)]);
      }),
      { numRuns: 60 },
    );
  });

  it('of old dumps have the id of a slice as chunkid, and spaces as they are', () => {
    const { entries, handler } = collect();
    const parser = openParser({ at: 'document' }, handler);
    parser.push(
      utf8(
        '{"FSTree":{"attr":{"inode":1,"type":"directory"},"entries":{"a b":{"attr":{"inode":2,"type":"regular","length":9},"chunks":[{"index":0,"slices":[{"chunkid":77,"size":9,"len":9}]}]}}}}',
      ),
    );
    parser.end();
    expect(shown(entries[0]?.entry.name ?? utf8(''))).toBe('a b');
    expect(Buffer.from(entries[0]?.entry.chunks?.[0]?.slices ?? []).readBigUInt64BE(4)).toBe(77n);
  });

  it('are found in each fixture of the real juicefs', () => {
    for (const engine of ['sqlite', 'postgres', 'mysql', 'redis']) {
      const { entries, handler } = collect();
      const parser = openParser({ at: 'document' }, handler);
      parser.push(fixture(`${engine}.json`));
      parser.end();
      expect(entries).toHaveLength(106);
    }
  });
});
