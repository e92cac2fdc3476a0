import { LifeboatError } from '../../../errors.ts';
import { parseJson, type Revive } from '../../../json.ts';

/** JSON whose integers beyond 2^53 are bigint. */
export type Value = string | number | bigint | boolean | null | readonly Value[] | Ordered | { readonly [key: string]: Value };
/** An object whose keys look like numbers, in an order of its own. Parsing never makes one. */
export type Ordered = ReadonlyMap<string, Value>;
export type JsonObject = { readonly [key: string]: Value };

const LONG_NUMBER = /\d{16}/;
const INTEGER = /^-?\d+$/;

/** Text of integers beyond 2^53 becomes bigint, all else what JSON has. */
export const parseValue = (text: string): Value => parseJson(text, LONG_NUMBER.test(text) ? exact : undefined) as Value;

const exact: Revive = (value, source = '') =>
  typeof value === 'number' && !Number.isSafeInteger(value) && INTEGER.test(source) ? BigInt(source) : value;

export const isObject = (value: Value | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map);

const entriesOf = (value: Ordered | JsonObject): readonly (readonly [string, Value])[] =>
  value instanceof Map ? [...value] : Object.entries(value as JsonObject);

const wrong = (what: string, wanted: string, value: Value | undefined): LifeboatError =>
  new LifeboatError('ArtifactInvalid', `${what} is not ${wanted}: ${shown(value)}`, {
    hint: 'This is not a dump that juicefs or lifeboat wrote, or it was changed.',
  });

const shown = (value: Value | undefined): string => (value === undefined ? 'missing' : marshal(value).slice(0, 60));

export const objectOf = (value: Value | undefined, what: string): JsonObject => {
  if (isObject(value)) return value;
  throw wrong(what, 'an object', value);
};

/** Go writes null for an empty list. */
export const listOf = (value: Value | undefined, what: string): readonly Value[] => {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value as readonly Value[];
  throw wrong(what, 'a list', value);
};

export const textOf = (value: Value | undefined, what: string): string => {
  if (typeof value === 'string') return value;
  throw wrong(what, 'a text', value);
};

const I64_MIN = -(1n << 63n);
const U64_MAX = (1n << 64n) - 1n;

/** An integer that fits 64 bits. */
export const bigOf = (value: Value | undefined, what: string): bigint => {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === 'bigint' && value >= I64_MIN && value <= U64_MAX) return value;
  throw wrong(what, 'an integer', value);
};

/** An integer from 0 to `max`, 0 when it is missing. */
export const smallOf = (value: Value | undefined, max: number, what: string): number => {
  if (value === undefined) return 0;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw wrong(what, `an integer from 0 to ${max}`, value);
};

const SHORT: Readonly<Record<string, string>> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
// What Go's JSON encoder escapes: control characters, HTML's three, the two line separators.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const SPECIAL = /["\\\u0000-\u001f<>&\u2028\u2029]/g;

export const quote = (text: string): string =>
  `"${text.replace(SPECIAL, (found) => SHORT[found] ?? `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;

/** As Go's encoder writes it, without white space. */
export const marshal = (value: Value): string => {
  if (typeof value === 'string') return quote(value);
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(marshal).join(',')}]`;
  return `{${entriesOf(value as JsonObject)
    .map(([key, item]) => `${quote(key)}:${marshal(item)}`)
    .join(',')}}`;
};

/** As Go's encoder indents it by two spaces; `prefix` stands before every line but the first. */
export const marshalIndent = (value: Value, prefix = '', step = '  '): string => {
  if (typeof value !== 'object' || value === null) return marshal(value);
  const inner = prefix + step;
  const many = (open: string, items: readonly string[], close: string): string =>
    items.length === 0 ? open + close : `${open}\n${inner}${items.join(`,\n${inner}`)}\n${prefix}${close}`;
  if (Array.isArray(value)) {
    const items = value.map((item: Value) => marshalIndent(item, inner, step));
    return many('[', items, ']');
  }
  const items = entriesOf(value as JsonObject).map(([key, item]) => `${quote(key)}: ${marshalIndent(item, inner, step)}`);
  return many('{', items, '}');
};
