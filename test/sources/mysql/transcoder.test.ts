import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Column, columnOf, openEncoder } from '../../../src/sources/mysql/encoding.ts';
import { errorIn } from '../../../src/sources/mysql/packets.ts';
import { loadTranscoder, type TupleSink } from '../../../src/sources/mysql/transcoder.ts';

type Value = Buffer | null;

const lengthOf = (length: number): Buffer => {
  if (length < 0xfb) return Buffer.from([length]);
  const bytes = Buffer.alloc(length < 0x10000 ? 3 : length < 0x1000000 ? 4 : 9);
  bytes[0] = bytes.length === 3 ? 0xfc : bytes.length === 4 ? 0xfd : 0xfe;
  bytes.writeUIntLE(length, 1, Math.min(6, bytes.length - 1));
  return bytes;
};

/** A payload as the server sends it: in packets of at most 16 MiB less one byte, the last of which is shorter. */
const packets = (payload: Buffer): Buffer => {
  const parts: Buffer[] = [];
  for (let at = 0; ; at += 0xffffff) {
    const part = payload.subarray(at, at + 0xffffff);
    const header = Buffer.alloc(4);
    header.writeUIntLE(part.length, 0, 3);
    parts.push(header, part);
    if (part.length < 0xffffff) return Buffer.concat(parts);
  }
};

const rowPacket = (values: readonly Value[]): Buffer =>
  packets(Buffer.concat(values.flatMap((value) => (value === null ? [Buffer.from([0xfb])] : [lengthOf(value.length), value]))));
const END = packets(Buffer.from([0xfe, 0, 0, 2, 0]));

interface Told {
  readonly rows: { readonly tuple: string; readonly key: string; readonly generated: string | undefined }[];
  text: string;
  count: number;
}

const listener = (): { readonly told: Told; readonly sink: TupleSink } => {
  const told: Told = { rows: [], text: '', count: 0 };
  const cut = (bytes: Buffer, start: number | undefined, end: number | undefined): string => bytes.toString('latin1', start, end);
  return {
    told,
    sink: {
      rows: (bytes, { numbers, count, stride, row, key }) => {
        for (let at = 0; at < count * stride; at += stride) {
          const [start, end] = [numbers[at + row], numbers[at + row + 1]];
          const [keyStart, keyEnd] = [numbers[at + key], numbers[at + key + 1]];
          told.rows.push({ tuple: cut(bytes, start, end), key: cut(bytes, keyStart, keyEnd), generated: undefined });
        }
      },
      generated: (bytes, { numbers, count, stride, row }) => {
        const first = told.rows.length - count;
        for (let i = 0; i < count; i++) {
          const generated = cut(bytes, numbers[i * stride + row], numbers[i * stride + row + 1]);
          told.rows[first + i] = { ...(told.rows[first + i] as Told['rows'][number]), generated };
        }
      },
      tuples: (bytes, start, end, count) => {
        told.text += (told.text === '' ? '' : ',\n') + cut(bytes, start, end);
        told.count += count;
      },
    },
  };
};

/** What the encoder in plain words makes of the same rows. */
const expected = (
  columns: readonly Column[],
  generated: readonly Column[],
  key: readonly string[],
  rows: readonly (readonly Value[])[],
) => {
  const [written, derived] = [openEncoder(columns, key), openEncoder(generated, [])];
  return rows.map((values) => {
    const { row, keyStart, keyEnd } = written.encode(values, 0);
    const [tuple, found] = [row.toString('latin1'), row.toString('latin1', keyStart, keyEnd)];
    return {
      tuple,
      key: found,
      generated: generated.length === 0 ? undefined : derived.encode(values, columns.length).row.toString('latin1'),
    };
  });
};

const columns = (types: readonly string[], prefix: string): Column[] => types.map((type, i) => columnOf(`${prefix}${i}`, type));

const feed = (reader: { take(bytes: Uint8Array): Buffer | undefined }, bytes: Buffer, cuts: readonly number[]): Buffer | undefined => {
  let end: Buffer | undefined;
  let at = 0;
  for (const cut of [...cuts.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    if (cut > at) end ??= reader.take(bytes.subarray(at, cut));
    at = Math.max(at, cut);
  }
  return end;
};

const type = fc.constantFrom('int', 'double', 'blob', 'text', 'varchar');
const special = fc.constantFrom(...Buffer.from('\0\n\r\x1a\'\\"\x0b\x0c\x1b\x27\x07\x17\x2a\x0a\xff'));
const value: fc.Arbitrary<Value> = fc.oneof(
  { weight: 1, arbitrary: fc.constant(null) },
  {
    weight: 4,
    arbitrary: fc.array(fc.oneof(special, fc.integer({ min: 0, max: 255 })), { maxLength: 70 }).map((bytes) => Buffer.from(bytes)),
  },
  { weight: 1, arbitrary: fc.integer({ min: 240, max: 70_000 }).map((length) => Buffer.alloc(length, "x'y\\z.")) },
);

describe('packets that become tuples without objects', async () => {
  const transcoder = await loadTranscoder();

  it('are what the encoder makes of them, cut anywhere', () =>
    fc.assert(
      fc.property(
        fc.array(type, { maxLength: 5 }),
        fc.array(type, { maxLength: 2 }),
        fc.subarray(['w0', 'w1', 'w2', 'gone']),
        fc.array(fc.array(value, { minLength: 7, maxLength: 7 }), { maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        (writtenTypes, generatedTypes, key, wide, cuts) => {
          fc.pre(writtenTypes.length + generatedTypes.length > 0);
          const [written, generated] = [columns(writtenTypes, 'w'), columns(generatedTypes, 'g')];
          const rows = wide.map((values) => values.slice(0, written.length + generated.length));
          const { told, sink } = listener();
          const reader = transcoder.begin(written, generated, key, sink);
          const end = feed(reader, Buffer.concat([...rows.map(rowPacket), END]), cuts);
          expect(end).toEqual(Buffer.from([0xfe, 0, 0, 2, 0]));
          const wanted = expected(written, generated, key, rows);
          expect(told).toEqual({ rows: wanted, text: wanted.map(({ tuple }) => tuple).join(',\n'), count: rows.length });
        },
      ),
      { numRuns: 300 },
    ));

  it.each([
    ['that fits exactly', 512 * 1024 - 8],
    ['one byte too long', 512 * 1024 - 7],
    ['of one full packet', 0xffffff - 4],
    ['of several packets', 40_000_000],
  ])('take a row %s among short ones', (_name, length) => {
    const long = Buffer.alloc(length, "it's long ");
    const rows: Value[][] = [[Buffer.from('a')], [long], [Buffer.from('b')], [null]];
    const { told, sink } = listener();
    const written = columns(['text'], 'w');
    const reader = transcoder.begin(written, [], [], sink);
    const bytes = Buffer.concat([...rows.map(rowPacket), END]);
    for (let at = 0, end: Buffer | undefined; end === undefined; at += 300_007) end = reader.take(bytes.subarray(at, at + 300_007));
    expect(told.count).toBe(4);
    const wanted = expected(written, [], [], rows);
    expect(told.rows.map(({ tuple }) => tuple.length)).toEqual(wanted.map(({ tuple }) => tuple.length));
    expect(told.text === wanted.map(({ tuple }) => tuple).join(',\n')).toBe(true);
  });

  it('end with the server’s error', () => {
    const { told, sink } = listener();
    const reader = transcoder.begin(columns(['int'], 'w'), [], [], sink);
    const failed = packets(Buffer.concat([Buffer.from([0xff, 0x84, 0x05]), Buffer.from('#HY000Table definition has changed')]));
    const end = reader.take(Buffer.concat([rowPacket([Buffer.from('1')]), failed]));
    expect(told.count).toBe(1);
    expect(end === undefined ? undefined : errorIn(end)).toMatchObject({ errno: 1412, message: 'Table definition has changed' });
  });

  it.each([
    ['a value that goes on past its packet', [0x02, 0, 0, 0, 0x05, 0x61]],
    ['fewer values than columns', [0x01, 0, 0, 0, 0x00]],
    ['a length that no value has', [0x02, 0, 0, 0, 0xff, 0x61]],
  ])('are refused with %s', (name, bytes) => {
    const { sink } = listener();
    const reader = transcoder.begin(columns(name.startsWith('fewer') ? ['int', 'int'] : ['text'], 'w'), [], [], sink);
    const take = () => {
      const end = reader.take(Buffer.from(bytes));
      if (end !== undefined) throw errorIn(end);
    };
    expect(take).toThrow();
  });
});
