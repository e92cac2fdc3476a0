/** Finds where things end in JSON, byte by byte. −1 says that more bytes are needed. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
export const COMMA = 0x2c;
export const OPEN = 0x7b;
export const CLOSE = 0x7d;
export const OPEN_LIST = 0x5b;
export const CLOSE_LIST = 0x5d;

export const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** The first byte that is neither white space nor a comma; the length of `bytes` when there is none. */
export const skipBetween = (bytes: Uint8Array, from: number): number => {
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at] as number;
    if (byte !== COMMA && !isSpace(byte)) break;
    at++;
  }
  return at;
};

/** `from` is the opening quote; answers the place after the closing one. */
export const stringEnd = (bytes: Uint8Array, from: number): number => {
  for (let at = from + 1; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === BACKSLASH) at++;
    else if (byte === QUOTE) return at + 1;
  }
  return -1;
};

/** Answers the place after the value that begins at `from`. */
export const valueEnd = (bytes: Uint8Array, from: number): number => {
  const first = bytes[from];
  if (first === QUOTE) return stringEnd(bytes, from);
  return first === OPEN || first === OPEN_LIST ? nestedEnd(bytes, from) : plainEnd(bytes, from);
};

const nestedEnd = (bytes: Uint8Array, from: number): number => {
  let depth = 0;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      const end = stringEnd(bytes, at);
      if (end < 0) return -1;
      at = end - 1;
    } else if (byte === OPEN || byte === OPEN_LIST) depth++;
    else if (byte === CLOSE || byte === CLOSE_LIST) {
      depth--;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
};

/** A number, true, false or null: it ends before what follows. */
const plainEnd = (bytes: Uint8Array, from: number): number => {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === COMMA || byte === CLOSE || byte === CLOSE_LIST || isSpace(byte)) return at;
  }
  return -1;
};

export const isQuote = (byte: number | undefined): boolean => byte === QUOTE;
export const hasBackslash = (bytes: Uint8Array): boolean => bytes.indexOf(BACKSLASH) >= 0;
