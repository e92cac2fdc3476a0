import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Store } from '../stores/store.ts';

/** Where a person finds an object of a store: a path on this machine, or a URL. */
export const locate = (store: Store, key: string): string =>
  store.url.startsWith('file://') ? join(fileURLToPath(store.url), key) : `${store.url}/${key}`;
