import type { Json } from './backup/types.ts';

/** Stands for a key with an escape while V8 parses. A key that begins so is put aside as well. */
const STAND_IN = 'lifeboat-key-';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** What to make of a value that was parsed; `source` is the text of a number, a string, true, false or null. */
export type Revive = (value: unknown, source: string | undefined) => unknown;

/**
 * JSON.parse, without the defect of V8 that makes another key of an escaped one: after a key `\`, the keys `"` and `\n` may be read as `\`
 * (https://github.com/nodejs/node/issues/63785, in Node 24 and 26). Keys with escapes are put aside, and back when the text is parsed.
 * Fails with SyntaxError.
 */
export const parseJson = (text: string, revive?: Revive): Json => {
  const reviver =
    revive && ((_key: string, value: unknown, context?: { readonly source?: string }): unknown => revive(value, context?.source));
  if (!text.includes('\\') && !text.includes(STAND_IN)) return JSON.parse(text, reviver);
  const { safe, keys } = putKeysAside(text);
  if (keys.size === 0) return JSON.parse(text, reviver);
  return putKeysBack(JSON.parse(safe, reviver), new Map([...keys].map(([key, standIn]) => [standIn, key])));
};

/** Undefined for what is no JSON. */
export const parseIfJson = (text: string): Json | undefined => {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
};

/** The text with stand-ins, and which key each stands for. What is no JSON stays as it is, or fails with SyntaxError. */
const putKeysAside = (text: string): { readonly safe: string; readonly keys: ReadonlyMap<string, string> } => {
  const keys = new Map<string, string>();
  let safe = '';
  let copied = 0;
  for (let open = text.indexOf('"'); open >= 0; ) {
    const { close, escaped } = endOfString(text, open);
    if ((escaped || text.startsWith(STAND_IN, open + 1)) && isKey(text, close)) {
      const key = String(JSON.parse(text.slice(open, close)));
      const standIn = keys.get(key) ?? STAND_IN + keys.size;
      keys.set(key, standIn);
      safe += `${text.slice(copied, open)}"${standIn}"`;
      copied = close;
    }
    open = text.indexOf('"', close);
  }
  return { safe: safe + text.slice(copied), keys };
};

const endOfString = (text: string, open: number): { readonly close: number; readonly escaped: boolean } => {
  let escaped = false;
  let at = open + 1;
  for (; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) break;
    if (unit !== BACKSLASH) continue;
    escaped = true;
    at++;
  }
  return { close: at + 1, escaped };
};

const COLON_NEXT = /[ \t\n\r]*:/y;

const isKey = (text: string, close: number): boolean => {
  COLON_NEXT.lastIndex = close;
  return COLON_NEXT.test(text);
};

const putKeysBack = (value: Json, keys: ReadonlyMap<string, string>): Json => {
  if (isList(value)) return value.map((item) => putKeysBack(item, keys));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [keys.get(key) ?? key, putKeysBack(field, keys)]));
};

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);
