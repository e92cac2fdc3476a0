import { isLifeboatError, LifeboatError } from '../../errors.ts';
import type { Budget, ObjectFacts, Objects } from '../contract.ts';
import { md5Of } from './hashes.ts';
import { missing } from './namespace.ts';

/** Copies in flight of one task: S3 copies on its side, so each costs a socket. Two tasks have as many as s5cmd has workers. */
export const COPIES_AT_ONCE = 128;

/** One page of S3: a listing that passed this many keys for nothing starts again at the next wanted one. */
const SKIP_AFTER = 1000;

export interface Item {
  readonly key: string;
  readonly bytes: number;
  /** lakeFS's checksum, where there is one: the MD5 of the bytes, unless they came in parts or into an encrypted bucket. */
  readonly etag?: string | undefined;
}

const MD5 = /^[0-9a-f]{32}$/;
/** What is read where two checksums differ: the bytes decide, as long as they are few. */
const COMPARED_BYTES = 16 * 1024 * 1024;

/**
 * Which of `items` (sorted by key) are there: one walk over both, skipping what nobody asked for. Costs a request for each thousand
 * objects that are there, instead of one for each.
 */
export async function* lookUp<T extends Item>(
  objects: Objects,
  items: readonly T[],
): AsyncGenerator<{ readonly item: T; readonly found: ObjectFacts | undefined }> {
  let at = 0;
  while (at < items.length) {
    let passed = 0;
    let ended = true;
    for await (const found of objects.list('', { after: before(items[at]?.key ?? '') })) {
      for (let item = items[at]; item !== undefined && item.key <= found.key; item = items[++at])
        yield { item, found: item.key === found.key ? found : undefined };
      const next = items[at];
      if (next === undefined) return;
      passed = next.key === found.key ? 0 : passed + 1;
      if (passed >= SKIP_AFTER) {
        ended = false;
        break;
      }
    }
    if (!ended) continue;
    for (let item = items[at]; item !== undefined; item = items[++at]) yield { item, found: undefined };
  }
}

/** A text that only `key` and what is behind it are larger than; printable, as keys are. */
const before = (key: string): string => {
  const last = key.charCodeAt(key.length - 1);
  if (key.length <= 1) return '';
  // "abc" comes after "abb~~~", and nothing that is a key lies between the two that could be meant.
  return last > 0x20 ? `${key.slice(0, -1)}${String.fromCharCode(last - 1)}~` : key.slice(0, -1);
};

export interface Copying {
  /** How many were copied now; the others were there. */
  readonly copied: number;
  readonly bytes: number;
  readonly complete: boolean;
}

/** Copies what is not there yet, many at a time, as far as the budget goes. Keys are the same on both sides, sorted. */
export const copyMissing = async (
  to: Objects,
  from: Objects,
  items: readonly (Item & { readonly from?: string })[],
  budget: Budget,
  progress: (bytes: number) => void = () => {},
): Promise<Copying> => {
  let [copied, bytes] = [0, 0];
  let stopped = false;
  const failed = new AbortController();
  const signal = AbortSignal.any([budget.signal, failed.signal]);
  const wanted = lookUp(to, items);
  const isSame = sameness(to, from);
  const copy = async (item: Item & { readonly from?: string }): Promise<void> => {
    const key = item.from ?? item.key;
    try {
      await to.copyFrom(item.key, { objects: from, key, bytes: item.bytes }, signal);
    } catch (error) {
      if (isLifeboatError(error, 'NoSuchObject') || isLifeboatError(error, 'NoSuchStore')) throw missing(from, key, error);
      throw error;
    }
    copied += 1;
    bytes += item.bytes;
    progress(item.bytes);
  };
  const lane = async (): Promise<void> => {
    while (!stopped) {
      // An async generator answers one after the other, whoever asks.
      const next = await wanted.next();
      if (next.done === true) return;
      const { item, found } = next.value;
      if (found !== undefined && found.bytes !== item.bytes) throw changed(to, item, `has ${found.bytes} bytes`);
      if (found !== undefined && !(await isSame(item, found))) throw changed(to, item, `has ETag ${found.etag} and other bytes`);
      if (found !== undefined) continue;
      await copy(item);
      if (budget.remaining() <= 0) stopped = true;
    }
  };
  const guarded = (): Promise<void> =>
    lane().catch((error: unknown) => {
      stopped = true;
      failed.abort(error);
      throw error;
    });
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(COPIES_AT_ONCE, items.length) }, guarded));
  budget.signal.throwIfAborted();
  const failure = lanes.find((each) => each.status === 'rejected');
  if (failure !== undefined) throw failed.signal.reason;
  const complete = !stopped || (await wanted.next()).done === true;
  return { copied, bytes, complete };
};

/**
 * Whether an object of the same address and size is the same, by ETag. Encrypted buckets have ETags that are no MD5s, and then so has
 * lakeFS: where two differ, bytes are compared once, and ETags no more if those were equal.
 */
const sameness = (to: Objects, from: Objects): ((item: Item & { readonly from?: string }, found: ObjectFacts) => Promise<boolean>) => {
  let comparable = true;
  return async (item, found) => {
    const etag = found.etag.replaceAll('"', '');
    if (!comparable || item.etag === undefined || item.etag === etag || !MD5.test(item.etag) || !MD5.test(etag)) return true;
    if (item.bytes > COMPARED_BYTES) return true;
    const [kept, own] = await Promise.all([md5Of(to.read(item.key)), md5Of(from.read(item.from ?? item.key))]);
    comparable &&= kept !== own;
    return kept === own;
  };
};

const changed = (to: Objects, item: Item, flaw: string): LifeboatError =>
  new LifeboatError('SourceChanged', `${to.url}/${item.key} ${flaw}, the object of the same address has ${item.bytes} bytes`, {
    hint: 'Objects of lakeFS never change. Something else wrote to its storage, or to the store.',
  });
