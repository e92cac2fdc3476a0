/**
 * The typed encoding of a row: the tuple of an INSERT, `(1,'text',0x00ff,NULL)`. It is what the artifact holds and what the digests
 * are of, so that nothing is encoded twice; every value comes back exactly as it was.
 */
import type { RawRow } from './connect.ts';
import { identifier } from './sql.ts';

/** How a value is written: as the digits that came, in quotes, as hex, or in quotes with escapes. */
export type Encoding = 'number' | 'quoted' | 'hex' | 'text';

export interface Column {
  readonly name: string;
  readonly encoding: Encoding;
  /** What to select. */
  readonly expression: string;
  /** The value of a text that LOAD DATA read, where it is not the column's own; `@v` stands for the text. */
  readonly loaded?: string;
}

const NUMBERS = /^(tinyint|smallint|mediumint|int|bigint|decimal|year)$/;
const BINARY = /^(.*blob|binary|varbinary|vector|geometry|point|linestring|polygon|multi.*|geometrycollection|geomcollection)$/;

/** `type` as information_schema.columns.data_type has it. */
export const columnOf = (name: string, type: string): Column => {
  const quoted = identifier(name);
  const lower = type.toLowerCase();
  if (NUMBERS.test(lower)) return { name, encoding: 'number', expression: quoted };
  // As a number: as text it would be its bytes.
  if (lower === 'bit') return { name, encoding: 'number', expression: `${quoted}+0`, loaded: 'CAST(@v AS UNSIGNED)' };
  // The server prints a FLOAT with 6 digits, which are not enough; as a DOUBLE it has all. A product keeps the sign of -0, a sum does not.
  if (lower === 'float') return { name, encoding: 'quoted', expression: `${quoted}*1e0` };
  // In quotes, or else -0 would be an integer.
  if (lower === 'double') return { name, encoding: 'quoted', expression: quoted };
  if (BINARY.test(lower)) return { name, encoding: 'hex', expression: quoted, loaded: 'UNHEX(SUBSTR(@v, 3))' };
  return { name, encoding: 'text', expression: quoted };
};

const code = (character: string): number => character.charCodeAt(0);
const [OPEN, CLOSE, COMMA, QUOTE, BACKSLASH, ZERO, LOWER_X] = ['(', ')', ',', "'", '\\', '0', 'x'].map(code) as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];
const NULL = Buffer.from('NULL');
const HEX = Buffer.from('0123456789abcdef');

/** The letter after the backslash, by byte; 0 for bytes that stand for themselves. No byte of a UTF-8 sequence is among them. */
export const ESCAPES = new Uint8Array(256);
for (const [byte, letter] of [
  ['\0', '0'],
  ['\n', 'n'],
  ['\r', 'r'],
  ['\x1a', 'Z'],
  ["'", "'"],
  ['\\', '\\'],
] as const)
  ESCAPES[code(byte)] = code(letter);

/** Bytes that one encoder begins with; it grows with the longest row. */
const SCRATCH_BYTES = 64 * 1024;

export interface Encoded {
  /** Valid until the next row. */
  readonly row: Buffer;
  readonly keyStart: number;
  readonly keyEnd: number;
}

export interface RowEncoder {
  /** Takes the values from `first` on, one a column. */
  encode(values: RawRow, first: number): Encoded;
}

/** `key` are columns side by side that find a row again; without them the whole row does. */
export const openEncoder = (columns: readonly Column[], key: readonly string[]): RowEncoder => {
  const encodings = columns.map((column) => column.encoding);
  const { from, to } = keyRange(columns, key);
  let bytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  const grow = (used: number, needed: number): void => {
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes.length * 2, used + needed));
    bytes.copy(larger, 0, 0, used);
    bytes = larger;
  };
  return {
    encode(values, first) {
      let at = 0;
      let keyStart = 0;
      let keyEnd = 0;
      bytes[at++] = OPEN;
      for (let i = 0; i < encodings.length; i++) {
        const value = values[first + i] ?? null;
        // Two bytes for each of the value's, quotes, comma and parenthesis.
        const needed = (value === null ? 4 : value.length * 2) + 8;
        if (at + needed > bytes.length) grow(at, needed);
        if (i > 0) bytes[at++] = COMMA;
        if (i === from) keyStart = at;
        at = value === null ? at + NULL.copy(bytes, at) : put(bytes, at, value, encodings[i] ?? 'text');
        if (i === to) keyEnd = at;
      }
      bytes[at++] = CLOSE;
      return { row: bytes.subarray(0, at), keyStart, keyEnd: keyEnd === 0 ? at : keyEnd };
    },
  };
};

export const keyRange = (columns: readonly Column[], key: readonly string[]): { readonly from: number; readonly to: number } => {
  const places = key.map((name) => columns.findIndex((column) => column.name === name)).sort((a, b) => a - b);
  const [from = -1] = places;
  const sideBySide = from >= 0 && places.every((place, i) => place === from + i);
  return sideBySide ? { from, to: from + places.length - 1 } : { from: -1, to: -1 };
};

const put = (bytes: Buffer, start: number, value: Buffer, encoding: Encoding): number => {
  let at = start;
  switch (encoding) {
    case 'number':
      return at + value.copy(bytes, at);
    case 'quoted':
      bytes[at++] = QUOTE;
      at += value.copy(bytes, at);
      bytes[at++] = QUOTE;
      return at;
    case 'hex':
      return putHex(bytes, at, value);
    case 'text':
      return putText(bytes, at, value);
  }
};

const putHex = (bytes: Buffer, start: number, value: Buffer): number => {
  let at = start;
  if (value.length === 0) {
    bytes[at++] = QUOTE;
    bytes[at++] = QUOTE;
    return at;
  }
  bytes[at++] = ZERO;
  bytes[at++] = LOWER_X;
  for (let i = 0; i < value.length; i++) {
    const byte = value[i] ?? 0;
    bytes[at++] = HEX[byte >> 4] ?? 0;
    bytes[at++] = HEX[byte & 15] ?? 0;
  }
  return at;
};

const putText = (bytes: Buffer, start: number, value: Buffer): number => {
  let at = start;
  bytes[at++] = QUOTE;
  for (let i = 0; i < value.length; i++) {
    const byte = value[i] as number;
    const letter = ESCAPES[byte] as number;
    if (letter === 0) bytes[at++] = byte;
    else {
      bytes[at++] = BACKSLASH;
      bytes[at++] = letter;
    }
  }
  bytes[at++] = QUOTE;
  return at;
};
