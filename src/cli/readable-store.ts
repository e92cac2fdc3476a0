import { FORMAT_KEY } from '../backup/layout.ts';
import { checkFormatVersion } from '../backup/manifest.ts';
import { isLifeboatError, LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Store } from '../stores/store.ts';
import type { Call } from './command.ts';

/** Its one field is a number; the rest is room for fields to come. */
const FORMAT_MAX_BYTES = 64 * 1024;

/** The store, for commands that read it. Fails with NoSuchStore when it is not there, with FormatTooNew when a newer Lifeboat made it. */
export const readableStore = async (call: Call): Promise<Store> => {
  const store = await call.store();
  const format = await formatOf(store);
  if (format !== undefined) checkFormatVersion('store', parsed(format, store));
  return store;
};

/** Undefined in a store, or a copy of one, that has no such object. */
const formatOf = async (store: Store): Promise<string | undefined> => {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of store.read(FORMAT_KEY, { range: { start: 0, end: FORMAT_MAX_BYTES } })) chunks.push(chunk);
  } catch (error) {
    if (isLifeboatError(error, 'NoSuchObject')) return undefined;
    throw error;
  }
  return Buffer.concat(chunks).toString('utf8');
};

const parsed = (text: string, store: Store): unknown => {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new LifeboatError('ManifestInvalid', `${FORMAT_KEY} of ${store.url} is not JSON`, { hint: 'Is this the right place?', cause });
  }
};
