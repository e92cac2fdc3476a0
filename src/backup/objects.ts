import { isLifeboatError, LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Store } from '../stores/store.ts';

/** Small objects are read whole; what is larger than this is streamed. */
const SMALL_OBJECT_MAX_BYTES = 96 * 1024 * 1024;

/** The whole object, or undefined when it is not there. */
export const readAll = async (
  store: Store,
  key: string,
  range?: { readonly start: number; readonly end: number },
): Promise<Uint8Array | undefined> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of store.read(key, range === undefined ? {} : { range })) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > SMALL_OBJECT_MAX_BYTES)
        throw new LifeboatError('SegmentTooLarge', `${key} is larger than ${SMALL_OBJECT_MAX_BYTES} bytes`);
    }
  } catch (error) {
    if (isLifeboatError(error, 'NoSuchObject') || isLifeboatError(error, 'NoSuchStore')) return undefined;
    throw error;
  }
  return Buffer.concat(chunks);
};

/** The object parsed as JSON, to be checked by a schema; undefined when it is not there. */
export const readJson = async (store: Store, key: string): Promise<unknown> => {
  const bytes = await readAll(store, key);
  if (bytes === undefined) return undefined;
  try {
    return parseJson(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new LifeboatError('ManifestInvalid', `${key} is not JSON`, { cause });
  }
};

/** Creates a JSON object; answers false when one was there. */
export const createJson = async (store: Store, key: string, value: unknown): Promise<boolean> =>
  (await store.create(key, Buffer.from(`${JSON.stringify(value)}\n`))).created;
