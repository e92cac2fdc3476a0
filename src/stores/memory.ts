import { createHash } from 'node:crypto';
import { LifeboatError } from '../errors.ts';
import { boundsOf, bytesOf, piece } from './body.ts';
import { checkKey, checkPrefix, checkReplaced } from './keys.ts';
import type { ObjectInfo, Store } from './store.ts';

interface Held {
  readonly bytes: Uint8Array;
  readonly modified: Date;
}

/** A store for tests and simulations; gone with the process. `now` sets the objects' times. */
export const memoryStore = (options: { readonly name?: string; readonly now?: () => Date } = {}): Store => {
  const { name = 'memory', now = () => new Date() } = options;
  const objects = new Map<string, Held>();

  const infoOf = (key: string, held: Held): ObjectInfo => ({
    key,
    bytes: held.bytes.length,
    modified: held.modified,
    etag: createHash('sha256').update(held.bytes).digest('hex').slice(0, 32),
  });

  return {
    url: `memory://${name}`,
    bucket: name,
    prefix: '',
    async create(key, body, signal) {
      checkKey(key);
      signal?.throwIfAborted();
      const size = bytesOf(body);
      // A copy: who called may use its buffer again (and slice() of a Buffer is none).
      const bytes = new Uint8Array(await piece(body, 0, size, () => new Uint8Array(size)));
      signal?.throwIfAborted();
      if (objects.has(key)) return { created: false };
      objects.set(key, { bytes, modified: now() });
      return { created: true };
    },
    async *read(key, { range, signal } = {}) {
      checkKey(key);
      signal?.throwIfAborted();
      const held = objects.get(key);
      if (held === undefined) throw new LifeboatError('NoSuchObject', `there is no ${key} in memory://${name}`);
      const { start, end } = boundsOf(range, held.bytes.length);
      if (end > start) yield held.bytes.slice(start, end);
    },
    async head(key) {
      checkKey(key);
      const held = objects.get(key);
      return held === undefined ? undefined : infoOf(key, held);
    },
    async *list(prefix, { after = '' } = {}) {
      checkPrefix(prefix);
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
      for (const key of keys) {
        const held = objects.get(key);
        if (held !== undefined) yield infoOf(key, held);
      }
    },
    async delete(key) {
      checkKey(key);
      objects.delete(key);
    },
    async replace(key, body, ifMatch) {
      checkReplaced(key, body);
      const held = objects.get(key);
      if ((held === undefined ? null : infoOf(key, held).etag) !== ifMatch) return undefined;
      const next: Held = { bytes: new Uint8Array(body), modified: now() };
      objects.set(key, next);
      return infoOf(key, next).etag;
    },
  };
};
