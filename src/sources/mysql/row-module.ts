/**
 * The hot loop of a dump, for WebAssembly: from row packets of the text protocol to tuples, without an object for any value. The
 * encoder of encoding.ts is the same in plain words, and what this one is tested against.
 */
import * as w from '../../backup/wasm.ts';
import { type Encoding, ESCAPES } from './encoding.ts';

/** Bytes of row packets that are there at a time; a longer row goes through the encoder of encoding.ts. */
export const IN_BYTES = 512 * 1024;
/** A value takes at most five bytes for each of its packet's (NULL), and so do rows; the rest may be written past the end of a tuple. */
const OUT_BYTES = 5 * IN_BYTES + 64;
/** Rows of one call. */
const ROWS_MAX = 8192;
/** Columns that a table has at most. */
const COLUMNS_MAX = 4096;

/** Numbers that one row has in the index: where its tuple, its key and its generated tuple begin and end. */
export const INDEX_WORDS = 6;

/** Where things are in the memory, in bytes. */
export const AT = (() => {
  const sizes = {
    escapes: 256,
    hex: 512,
    encodings: COLUMNS_MAX,
    /** Numbers: written columns, all columns, first and last column of the key, and what a call leaves behind. */
    cells: 64,
    index: ROWS_MAX * INDEX_WORDS * 4,
    in: IN_BYTES + 64,
    out: OUT_BYTES,
    generated: OUT_BYTES,
  };
  let next = 0;
  const places = Object.entries(sizes).map(([name, size]) => {
    const place = next;
    next += Math.ceil(size / 64) * 64;
    return [name, place];
  });
  return { ...(Object.fromEntries(places) as Record<keyof typeof sizes, number>), end: next };
})();

export const CELL = { written: 0, columns: 1, keyFrom: 2, keyTo: 3, keyStart: 4, keyEnd: 5, outEnd: 6, indexEnd: 7 } as const;

/** As the encodings are written beside the columns. */
export const ENCODING_CODE: Readonly<Record<Encoding, number>> = { number: 0, quoted: 1, hex: 2, text: 3 };

/** What the first part of the memory holds before any call. */
export const tables = (): { readonly escapes: Uint8Array; readonly hex: Uint8Array } => ({
  escapes: ESCAPES,
  hex: Uint8Array.from(Array.from({ length: 256 }, (_, byte) => [...Buffer.from(byte.toString(16).padStart(2, '0'))]).flat()),
});

const code = (character: string): w.Code => w.i32(character.charCodeAt(0));
const [QUOTE, BACKSLASH] = [code("'"), code('\\')];
const NULL_WORD = w.i32(Buffer.from('NULL').readInt32LE(0));
const HEX_MARK = w.i32(Buffer.from('0x').readUInt16LE(0));
const EMPTY_TEXT = w.i32(Buffer.from("''").readUInt16LE(0));
const BETWEEN_ROWS = w.i32(Buffer.from(',\n').readUInt16LE(0));

const cell = (name: keyof typeof CELL): w.Code => w.get32(w.i32(AT.cells + CELL[name] * 4));
const setCell = (name: keyof typeof CELL, value: w.Code): w.Code => w.put32(w.i32(AT.cells + CELL[name] * 4), value);
const advance = (local: number, by: w.Code): w.Code => w.set(local, w.add32(w.get(local), by));

/** A byte that must be escaped has its own value at the place that its lower half names; only 0x1a shares its place, with 0x0a. */
const BY_LOWER_HALF = w.const128([0x00, 0, 0, 0, 0, 0, 0, 0x27, 0, 0, 0x0a, 0, 0x5c, 0x0d, 0, 0]);
const all = (byte: number): w.Code => w.const128(Array<number>(16).fill(byte));
const escaped = (v: w.Code): w.Code =>
  w.mask128(w.or128(w.eq128(w.pick128(BY_LOWER_HALF, w.and128(v, all(0x0f))), v), w.eq128(v, all(0x1a))));

// Locals that the three ways to write a value share: where it is, its length, where it goes.
const [FROM, LENGTH, TO] = [0, 1, 2] as const;
const VALUE = { params: [w.I32, w.I32, w.I32], results: [w.I32] } as const;

/** Sixteen bytes at a time up to the next one that must be escaped. */
const text: w.Func = (() => {
  const [END, MASK, STEP, BYTES] = [3, 4, 5, 6] as const;
  return {
    ...VALUE,
    locals: [w.I32, w.I32, w.I32, w.V128],
    body: [
      ...w.set(END, w.add32(w.get(FROM), w.get(LENGTH))),
      ...w.loop(w.lt32(w.get(FROM), w.get(END)), [
        ...w.set(BYTES, w.load128(w.get(FROM))),
        ...w.store128(w.get(TO), w.get(BYTES)),
        ...w.set(MASK, escaped(w.get(BYTES))),
        ...w.set(STEP, w.sub32(w.get(END), w.get(FROM))),
        ...w.when(
          w.lt32(w.get(STEP), w.i32(16)),
          w.set(MASK, w.and32(w.get(MASK), w.sub32(w.shl32(w.i32(1), w.get(STEP)), w.i32(1)))),
          w.set(STEP, w.i32(16)),
        ),
        ...w.when(
          w.eq32(w.get(MASK), w.i32(0)),
          [...advance(FROM, w.get(STEP)), ...advance(TO, w.get(STEP))],
          [
            ...w.set(STEP, w.ctz32(w.get(MASK))),
            ...advance(FROM, w.get(STEP)),
            ...advance(TO, w.get(STEP)),
            ...w.put8(w.get(TO), BACKSLASH),
            ...w.put8(w.get(TO), w.get8(w.add32(w.i32(AT.escapes), w.get8(w.get(FROM)))), 1),
            ...advance(FROM, w.i32(1)),
            ...advance(TO, w.i32(2)),
          ],
        ),
      ]),
      ...w.get(TO),
    ],
  };
})();

const hex: w.Func = {
  ...VALUE,
  locals: [],
  body: [
    ...w.when(
      w.eq32(w.get(LENGTH), w.i32(0)),
      [...w.put16(w.get(TO), EMPTY_TEXT), ...advance(TO, w.i32(2))],
      [
        ...w.put16(w.get(TO), HEX_MARK),
        ...advance(TO, w.i32(2)),
        ...w.loop(w.get(LENGTH), [
          ...w.put16(w.get(TO), w.get16(w.add32(w.i32(AT.hex), w.shl32(w.get8(w.get(FROM)), w.i32(1))))),
          ...advance(FROM, w.i32(1)),
          ...advance(TO, w.i32(2)),
          ...w.set(LENGTH, w.sub32(w.get(LENGTH), w.i32(1))),
        ]),
      ],
    ),
    ...w.get(TO),
  ],
};

const plain: w.Func = {
  ...VALUE,
  locals: [],
  body: [
    ...w.when(
      w.le32(w.get(LENGTH), w.i32(16)),
      w.store128(w.get(TO), w.load128(w.get(FROM))),
      w.copy(w.get(TO), w.get(FROM), w.get(LENGTH)),
    ),
    ...w.add32(w.get(TO), w.get(LENGTH)),
  ],
};

const FUNC = { text: 0, hex: 1, plain: 2, tuple: 3 } as const;

/** (packet, its end, out, first column, the one after the last) → (packet, out): the tuple of these columns. Traps on a packet that lies. */
const tuple: w.Func = (() => {
  const [P, LIMIT, OUT, COLUMN, LAST, FIRST, LEN, ENC] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
  const value = (name: keyof typeof FUNC): w.Code => w.set(OUT, w.call(FUNC[name], w.get(P), w.get(LEN), w.get(OUT)));
  const put = (character: w.Code): w.Code => [...w.put8(w.get(OUT), character), ...advance(OUT, w.i32(1))];
  const isEncoding = (name: Encoding): w.Code => w.eq32(w.get(ENC), w.i32(ENCODING_CODE[name]));
  const prefix = (first: number, length: w.Code, bytes: number, otherwise: w.Code): w.Code =>
    w.when(w.eq32(w.get(LEN), w.i32(first)), [...w.set(LEN, length), ...advance(P, w.i32(bytes))], otherwise);
  const length: w.Code = w.when(
    w.gt32(w.get(LEN), w.i32(0xfb)),
    prefix(0xfc, w.get16(w.get(P)), 2, prefix(0xfd, w.and32(w.get32(w.get(P)), w.i32(0xffffff)), 3, w.trap)),
    [],
  );
  const within: w.Code = w.when(w.or32(w.gt32(w.get(P), w.get(LIMIT)), w.gt32(w.get(LEN), w.sub32(w.get(LIMIT), w.get(P)))), w.trap, []);
  const quoted: w.Code = [...put(QUOTE), ...w.when(isEncoding('text'), value('text'), value('plain')), ...put(QUOTE)];
  return {
    params: [w.I32, w.I32, w.I32, w.I32, w.I32],
    results: [w.I32, w.I32],
    locals: [w.I32, w.I32, w.I32],
    body: [
      ...put(code('(')),
      ...w.set(FIRST, w.get(COLUMN)),
      ...w.loop(w.lt32(w.get(COLUMN), w.get(LAST)), [
        ...w.when(w.gt32(w.get(COLUMN), w.get(FIRST)), put(code(',')), []),
        ...w.when(w.eq32(w.get(COLUMN), cell('keyFrom')), setCell('keyStart', w.get(OUT)), []),
        ...w.when(w.ge32(w.get(P), w.get(LIMIT)), w.trap, []),
        ...w.set(LEN, w.get8(w.get(P))),
        ...advance(P, w.i32(1)),
        ...w.when(
          w.eq32(w.get(LEN), w.i32(0xfb)),
          [...w.put32(w.get(OUT), NULL_WORD), ...advance(OUT, w.i32(4))],
          [
            ...length,
            ...within,
            ...w.set(ENC, w.get8(w.add32(w.i32(AT.encodings), w.get(COLUMN)))),
            ...w.when(isEncoding('number'), value('plain'), w.when(isEncoding('hex'), value('hex'), quoted)),
            ...advance(P, w.get(LEN)),
          ],
        ),
        ...w.when(w.eq32(w.get(COLUMN), cell('keyTo')), setCell('keyEnd', w.get(OUT)), []),
        ...advance(COLUMN, w.i32(1)),
      ]),
      ...put(code(')')),
      ...w.get(P),
      ...w.get(OUT),
    ],
  };
})();

/**
 * (end of the packets) → where the first packet begins that is not whole, or is no row. Tuples of written columns stand one after the
 * other with `,\n` behind each; those of generated ones stand elsewhere; the index has the places of all.
 */
const rows: w.Func = (() => {
  const [END, PACKET, OUT, GENERATED, INDEX, GO, LIMIT, FIRST, LEN] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;
  const entry = (word: number, value: w.Code): w.Code => w.put32(w.get(INDEX), value, word * 4);
  const isFirst = (byte: number): w.Code => w.eq32(w.get(FIRST), w.i32(byte));
  const isNoRow: w.Code = w.or32(
    w.or32(w.gt32(w.get(LIMIT), w.get(END)), w.eq32(w.get(LEN), w.i32(0xffffff))),
    w.or32(isFirst(0xff), w.and32(isFirst(0xfe), w.lt32(w.get(LEN), w.i32(9)))),
  );
  const row: w.Code = [
    ...setCell('keyStart', w.get(OUT)),
    ...setCell('keyEnd', w.i32(0)),
    ...entry(0, w.get(OUT)),
    ...w.call(FUNC.tuple, w.add32(w.get(PACKET), w.i32(4)), w.get(LIMIT), w.get(OUT), w.i32(0), cell('written')),
    ...w.set(OUT),
    ...w.set(PACKET),
    ...entry(1, w.get(OUT)),
    ...w.when(w.eq32(cell('keyEnd'), w.i32(0)), setCell('keyEnd', w.get(OUT)), []),
    ...entry(2, cell('keyStart')),
    ...entry(3, cell('keyEnd')),
    ...w.put16(w.get(OUT), BETWEEN_ROWS),
    ...advance(OUT, w.i32(2)),
    ...w.when(
      w.gt32(cell('columns'), cell('written')),
      [
        ...entry(4, w.get(GENERATED)),
        ...w.call(FUNC.tuple, w.get(PACKET), w.get(LIMIT), w.get(GENERATED), cell('written'), cell('columns')),
        ...w.set(GENERATED),
        ...w.drop,
        ...entry(5, w.get(GENERATED)),
      ],
      [],
    ),
    ...w.set(PACKET, w.get(LIMIT)),
    ...advance(INDEX, w.i32(INDEX_WORDS * 4)),
  ];
  return {
    params: [w.I32],
    results: [w.I32],
    locals: Array.from({ length: 8 }, () => w.I32 as w.ValueType),
    body: [
      ...w.set(PACKET, w.i32(AT.in)),
      ...w.set(OUT, w.i32(AT.out)),
      ...w.set(GENERATED, w.i32(AT.generated)),
      ...w.set(INDEX, w.i32(AT.index)),
      ...w.set(GO, w.i32(1)),
      ...w.loop(
        w.and32(
          w.get(GO),
          w.and32(w.lt32(w.add32(w.get(PACKET), w.i32(4)), w.get(END)), w.lt32(w.get(INDEX), w.i32(AT.index + ROWS_MAX * INDEX_WORDS * 4))),
        ),
        [
          ...w.set(LEN, w.and32(w.get32(w.get(PACKET)), w.i32(0xffffff))),
          ...w.set(LIMIT, w.add32(w.add32(w.get(PACKET), w.i32(4)), w.get(LEN))),
          ...w.set(FIRST, w.get8(w.add32(w.get(PACKET), w.i32(4)))),
          ...w.when(isNoRow, w.set(GO, w.i32(0)), row),
        ],
      ),
      ...setCell('outEnd', w.get(OUT)),
      ...setCell('indexEnd', w.get(INDEX)),
      ...w.get(PACKET),
    ],
  };
})();

export const MODULE = w.assemble({ text, hex, plain, tuple, rows });
