import { isLifeboatError, LifeboatError } from '../../errors.ts';
import type { Budget, ObjectFacts, Objects } from '../contract.ts';
import { missing } from './namespace.ts';

/** Copies in flight of one task: S3 copies on its side, so this costs a socket each. */
const COPIES_AT_ONCE = 32;

/** One page of S3: a listing that passed this many keys for nothing starts again at the next wanted one. */
const SKIP_AFTER = 1000;

export interface Item {
  readonly key: string;
  readonly bytes: number;
}

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
      if (found !== undefined && found.bytes === item.bytes) continue;
      if (found !== undefined) throw changed(to, item, found.bytes);
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

const changed = (to: Objects, item: Item, bytes: number): LifeboatError =>
  new LifeboatError('SourceChanged', `${to.url}/${item.key} has ${bytes} bytes, the object of the same address has ${item.bytes}`, {
    hint: 'Objects of lakeFS never change. Something else wrote to its storage, or to the store.',
  });
