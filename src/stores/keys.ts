import { LifeboatError } from '../errors.ts';
import { KEY_MAX_BYTES } from './store.ts';

/** One name between two slashes: what file systems take. All stores hold to it, so that any can be copied to any other. */
const NAME_MAX_BYTES = 255;

/** A folder of this name holds what is not stored yet; no key may have it as a part. */
export const TEMPORARY_FOLDER = '.lifeboat-tmp';

/** What `replace` writes: leases and other small records, never data. */
export const REPLACED_MAX_BYTES = 256 * 1024;

const PRINTABLE = /^[\x20-\x7e]*$/;

/** Why a text is no key; undefined when it is one. */
const flawOf = (key: string): string | undefined => {
  if (key === '') return 'is empty';
  if (!PRINTABLE.test(key)) return 'has characters other than printable ASCII';
  if (key.length > KEY_MAX_BYTES) return `is longer than ${KEY_MAX_BYTES} bytes`;
  for (const name of key.split('/')) {
    if (name === '') return 'begins or ends with a slash, or has two in a row';
    if (name === '.' || name === '..') return `has a part "${name}"`;
    if (name === TEMPORARY_FOLDER) return `has the reserved part ${TEMPORARY_FOLDER}`;
    if (name.length > NAME_MAX_BYTES) return `has a part longer than ${NAME_MAX_BYTES} bytes`;
  }
  return undefined;
};

export const isKey = (key: string): boolean => flawOf(key) === undefined;

/** Fails with StoreKeyInvalid. */
export const checkKey = (key: string): void => {
  const flaw = flawOf(key);
  if (flaw !== undefined) throw new LifeboatError('StoreKeyInvalid', `key ${quoted(key)} ${flaw}`);
};

/** Of a listing: the beginning of a key, empty for all. Fails with StoreKeyInvalid. */
export const checkPrefix = (prefix: string): void => {
  const flaw = prefix === '' ? undefined : flawOf(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix);
  if (flaw !== undefined) throw new LifeboatError('StoreKeyInvalid', `prefix ${quoted(prefix)} ${flaw}`);
};

export const checkReplaced = (key: string, body: Uint8Array): void => {
  checkKey(key);
  if (body.length > REPLACED_MAX_BYTES)
    throw new LifeboatError('SegmentTooLarge', `${key} would be replaced by ${body.length} bytes, more than ${REPLACED_MAX_BYTES}`);
};

const quoted = (text: string): string => {
  const json = JSON.stringify(text);
  return json.length > 120 ? `${json.slice(0, 120)}…"` : json;
};
