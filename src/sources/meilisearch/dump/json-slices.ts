import { invalid } from './invalid.ts';

const [QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST, COMMA, COLON] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d, 0x2c, 0x3a];

/** A string that is longer than this is searched by native code. */
const SHORT_STRING = 48;

/** Members of one document that are looked at without growing. */
const MEMBERS = 64;

/**
 * The places of a document's members within a page or a line: documents are cut out and compared as the bytes that they came as, never
 * parsed and printed again, since a number like 9007199254740993 would not survive.
 */
export interface DocumentSlice {
  /** Of `{`. */
  start: number;
  /** After `}`. */
  end: number;
  members: number;
  /** Four places a member: start and end of the name without quotes, start and end of the value. */
  places: Int32Array;
  /** No white space between the members. */
  compact: boolean;
}

export const documentSlice = (): DocumentSlice => ({ start: 0, end: 0, members: 0, places: new Int32Array(4 * MEMBERS), compact: true });

/** Reads the document that begins at `at` (after white space) into `slice`; answers the place after it. Fails with ArtifactInvalid. */
export const readDocument = (bytes: Buffer, at: number, slice: DocumentSlice): number => {
  let position = skipSpace(bytes, at);
  if (bytes[position] !== OPEN) throw malformed('a document is no object', position);
  slice.start = position;
  slice.members = 0;
  slice.compact = true;
  position++;
  let before = position;
  position = skipSpace(bytes, position);
  if (bytes[position] === CLOSE) {
    slice.end = position + 1;
    return position + 1;
  }
  for (;;) {
    if (bytes[position] !== QUOTE) throw malformed('a member without a name', position);
    if (position !== before) slice.compact = false;
    const nameEnd = skipString(bytes, position);
    let value = skipSpace(bytes, nameEnd);
    if (bytes[value] !== COLON) throw malformed('a member without a value', value);
    if (value !== nameEnd) slice.compact = false;
    const colon = value;
    value = skipSpace(bytes, value + 1);
    if (value !== colon + 1) slice.compact = false;
    const end = skipValue(bytes, value);
    put(slice, position + 1, nameEnd - 1, value, end);
    position = skipSpace(bytes, end);
    if (position !== end) slice.compact = false;
    const next = bytes[position];
    if (next === CLOSE) {
      slice.end = position + 1;
      return position + 1;
    }
    if (next !== COMMA) throw malformed('two members without a comma', position);
    before = position + 1;
    position = skipSpace(bytes, before);
  }
};

const put = (slice: DocumentSlice, nameStart: number, nameEnd: number, start: number, end: number): void => {
  const at = 4 * slice.members++;
  if (at === slice.places.length) {
    const grown = new Int32Array(2 * at);
    grown.set(slice.places);
    slice.places = grown;
  }
  slice.places[at] = nameStart;
  slice.places[at + 1] = nameEnd;
  slice.places[at + 2] = start;
  slice.places[at + 3] = end;
};

export const skipSpace = (bytes: Buffer, at: number): number => {
  let position = at;
  for (;;) {
    const byte = bytes[position];
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) position++;
    else return position;
  }
};

/** `at` is the opening quote; answers the place after the closing one. */
export const skipString = (bytes: Buffer, at: number): number => {
  const near = at + SHORT_STRING;
  for (let position = at + 1; position < near; position++) {
    const byte = bytes[position];
    if (byte === QUOTE) return position + 1;
    if (byte === BACKSLASH) position++;
    else if (byte === undefined) throw malformed('a string without an end', at);
    if (position >= near - 1) return skipLongString(bytes, position + 1, at);
  }
  return skipLongString(bytes, near, at);
};

const skipLongString = (bytes: Buffer, from: number, start: number): number => {
  for (let position = from; ; ) {
    const quote = bytes.indexOf(QUOTE, position);
    if (quote === -1) throw malformed('a string without an end', start);
    let slashes = 0;
    while (quote - 1 - slashes >= from && bytes[quote - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return quote + 1;
    position = quote + 1;
  }
};

/** Answers the place after the value that begins at `at`. */
export const skipValue = (bytes: Buffer, at: number): number => {
  const first = bytes[at];
  if (first === QUOTE) return skipString(bytes, at);
  if (first === OPEN || first === OPEN_LIST) return skipNested(bytes, at);
  let position = at;
  for (;;) {
    const byte = bytes[position];
    if (byte === COMMA || byte === CLOSE || byte === CLOSE_LIST || byte === undefined || byte <= 0x20) break;
    position++;
  }
  if (position === at) throw malformed('a value is missing', at);
  return position;
};

const skipNested = (bytes: Buffer, at: number): number => {
  let depth = 0;
  for (let position = at; ; ) {
    const byte = bytes[position];
    if (byte === QUOTE) {
      position = skipString(bytes, position);
      continue;
    }
    position++;
    if (byte === OPEN || byte === OPEN_LIST) depth++;
    else if (byte === CLOSE || byte === CLOSE_LIST) {
      if (--depth === 0) return position;
    } else if (byte === undefined) throw malformed('a value without an end', at);
  }
};

const malformed = (what: string, at: number) => invalid(`malformed JSON at byte ${at}: ${what}`);
