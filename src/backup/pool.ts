import { LifeboatError } from '../errors.ts';
import type { ObjectFacts, Objects } from '../sources/contract.ts';
import type { Body, ObjectInfo, Store } from '../stores/store.ts';

/** Where objects really lie, for copies between two of them; sources need not know. */
const places = new WeakMap<Objects, { readonly store: Store; readonly prefix: string }>();

/** The objects of a store below `prefix` (empty, or with a slash at the end). */
export const objectsBelow = (store: Store, prefix: string): Objects => {
  const factsOf = ({ key, bytes, modified, etag }: ObjectInfo): ObjectFacts => ({ key: key.slice(prefix.length), bytes, modified, etag });
  const objects: Objects = {
    url: prefix === '' ? store.url : `${store.url}/${prefix.slice(0, -1)}`,
    async head(key) {
      const found = await store.head(prefix + key);
      return found === undefined ? undefined : factsOf(found);
    },
    read: (key, options = {}) => store.read(prefix + key, options),
    async *list(below, { after } = {}) {
      const from = after === undefined || after === '' ? {} : { after: prefix + after };
      for await (const found of store.list(prefix + below, from)) yield factsOf(found);
    },
    create: async (key, body) => (await store.create(prefix + key, body)).created,
    async copyFrom(key, from, signal) {
      const place = places.get(from.objects);
      if (place === undefined) throw new TypeError('objects that no store holds');
      return copy({ store, key: prefix + key }, { store: place.store, key: place.prefix + from.key, bytes: from.bytes }, signal);
    },
    delete: (key) => store.delete(prefix + key),
  };
  places.set(objects, { store, prefix });
  return objects;
};

interface At {
  readonly store: Store;
  readonly key: string;
}

const copy = async (to: At, from: At & { readonly bytes: number }, signal: AbortSignal): Promise<boolean> => {
  // The etag holds the object fast while it is copied; asking for it costs a request, which only large objects need.
  const copied = await to.store.copyFrom?.(to.key, { ...from, etag: '' }, signal);
  if (copied !== undefined) return copied.created;
  const found = await from.store.head(from.key);
  if (found === undefined) throw new LifeboatError('NoSuchObject', `there is no ${from.store.url}/${from.key}`);
  if (found.bytes !== from.bytes) throw changed(from, found.bytes);
  const body: Body = { bytes: from.bytes, open: (start, end) => from.store.read(from.key, { range: { start, end }, signal }) };
  return streams(Math.min(from.bytes, STREAM_MAX_BYTES), async () => {
    signal.throwIfAborted();
    return (await to.store.create(to.key, body, signal)).created;
  });
};

/** Lets work begin, in order, while the weights of all that has begun fit into `capacity`. */
const openGate = (capacity: number): (<T>(weight: number, work: () => Promise<T>) => Promise<T>) => {
  const waiting: { readonly weight: number; readonly go: () => void }[] = [];
  let free = capacity;
  const admit = (): void => {
    for (let [first] = waiting; first !== undefined && first.weight <= free; [first] = waiting) {
      free -= first.weight;
      waiting.shift();
      first.go();
    }
  };
  return async (weight, work) => {
    await new Promise<void>((go) => {
      waiting.push({ weight, go });
      admit();
    });
    try {
      return await work();
    } finally {
      free += weight;
      admit();
    }
  };
};

/** What copies that pass through this process may hold together, and what one of them does at most: an upload has three parts of 8 MiB. */
const STREAMS_BYTES = 64 * 1024 * 1024;
const STREAM_MAX_BYTES = 24 * 1024 * 1024;
const streams = openGate(STREAMS_BYTES);

const changed = (from: At & { readonly bytes: number }, bytes: number): LifeboatError =>
  new LifeboatError('SourceChanged', `${from.store.url}/${from.key} has ${bytes} bytes instead of ${from.bytes}`, {
    hint: 'Something overwrote an object that never changes by itself; find out what did.',
  });
