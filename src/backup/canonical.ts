import type { z } from 'zod';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';

/**
 * Canonical JSON (RFC 8785: keys sorted by UTF-16 code units, no white space) and a newline: equal values are equal bytes, so
 * that a record may be hashed, signed and compared. Fields that are undefined are left out.
 */
export const canonicalJson = (value: unknown): string => `${render(value)}\n`;

const render = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(render).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => `${JSON.stringify(key)}:${render(field)}`);
    return `{${fields.join(',')}}`;
  }
  const text = JSON.stringify(value);
  if (text === undefined || (typeof value === 'number' && !Number.isFinite(value)))
    throw new TypeError(`${String(value)} has no form in JSON`);
  return text;
};

/** What a record of the store is called, how large it may be, and which error says that it is not one. */
export interface RecordKind<T> {
  readonly what: string;
  readonly schema: z.ZodType<T>;
  readonly maxBytes: number;
}

/** Checks before it encodes: what could not be read back is not written. Fails with ManifestInvalid, or RecordTooLarge. */
export const encodeRecord = <T>(kind: RecordKind<T>, value: T): Uint8Array => {
  validate(kind, value);
  const bytes = Buffer.from(canonicalJson(value), 'utf8');
  if (bytes.length > kind.maxBytes)
    throw new LifeboatError('RecordTooLarge', `the ${kind.what} has ${bytes.length} bytes, more than ${kind.maxBytes}`, {
      hint: 'Raise the chunk size of this source, so that it has fewer segments.',
    });
  return bytes;
};

/** `look` sees the JSON before the schema does. Unknown fields are dropped. Fails with ManifestInvalid. */
export const decodeRecord = <T>(kind: RecordKind<T>, bytes: Uint8Array, look?: (json: unknown) => void): T => {
  if (bytes.length > kind.maxBytes) throw invalid(kind.what, `it has ${bytes.length} bytes, more than ${kind.maxBytes}`);
  const json = parse(kind.what, bytes);
  look?.(json);
  return validate(kind, json);
};

export const invalid = (what: string, why: string, cause?: unknown): LifeboatError =>
  new LifeboatError('ManifestInvalid', `the ${what} cannot be trusted: ${why}`, {
    hint: 'It was damaged or changed in the store. Restore another backup ("lifeboat list") and find out what wrote there.',
    cause,
  });

const parse = (what: string, bytes: Uint8Array): unknown => {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(what, 'it is not JSON in UTF-8', cause);
  }
};

const validate = <T>(kind: RecordKind<T>, value: unknown): T => {
  const parsed = kind.schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [first, ...others] = parsed.error.issues;
  const path = first === undefined || first.path.length === 0 ? 'the whole' : first.path.map(String).join('.');
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  throw invalid(kind.what, `${path}: ${first?.message ?? 'unknown'}${more}`);
};
