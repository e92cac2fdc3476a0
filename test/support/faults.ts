import { type ErrorCode, LifeboatError } from '../../src/errors.ts';
import type { Body, Created, Store } from '../../src/stores/store.ts';

/** One thing that goes wrong: on calls of `on` whose key matches, after `skip` of them, `times` times (once unless said). */
export interface StoreFault {
  readonly on: 'create' | 'read' | 'head' | 'list' | 'delete' | 'replace';
  readonly key?: string | RegExp;
  readonly skip?: number;
  readonly times?: number;
  readonly fault: /** Fails; `after` does the work first (create, delete, replace), so that the outcome is unknown to the caller. */
    | { readonly kind: 'fail'; readonly code: ErrorCode; readonly after?: boolean }
    /** create: only so many bytes are kept, and nobody is told. read: the object ends there. */
    | { readonly kind: 'short'; readonly bytes: number }
    /** read: one bit of this byte (within what is read) is another. */
    | { readonly kind: 'flip'; readonly at: number }
    /** read: the bytes of another object come. */
    | { readonly kind: 'swap'; readonly with: string }
    /** read, head, list: the object is not there. */
    | { readonly kind: 'missing' }
    /** Runs before the work: to kill something, or to wait. */
    | { readonly kind: 'call'; readonly run: (key: string) => Promise<void> | void };
}

export interface FaultyStore extends Store {
  readonly calls: { readonly on: StoreFault['on']; readonly key: string }[];
  /** Faults that have not happened as often as planned. */
  pending(): readonly StoreFault[];
}

/** A store with which things go wrong by plan; everything else is the store's own doing. */
export const withFaults = (store: Store, script: readonly StoreFault[]): FaultyStore => {
  const counts = script.map((rule) => ({ rule, seen: 0 }));
  const calls: { on: StoreFault['on']; key: string }[] = [];
  const last = ({ skip = 0, times = 1 }: StoreFault): number => skip + times;

  const take = async (on: StoreFault['on'], key: string): Promise<StoreFault['fault'] | undefined> => {
    calls.push({ on, key });
    for (const count of counts) {
      if (count.rule.on !== on || !matches(count.rule.key, key) || count.seen >= last(count.rule)) continue;
      count.seen += 1;
      if (count.seen <= (count.rule.skip ?? 0)) continue;
      const { fault } = count.rule;
      if (fault.kind === 'call') await fault.run(key);
      if (fault.kind === 'fail' && fault.after !== true) throw failure(fault.code, on, key);
      return fault;
    }
    return undefined;
  };

  const after = (fault: StoreFault['fault'] | undefined, on: StoreFault['on'], key: string): void => {
    if (fault?.kind === 'fail' && fault.after === true) throw failure(fault.code, on, key);
  };

  return {
    url: store.url,
    bucket: store.bucket,
    prefix: store.prefix,
    calls,
    pending: () => counts.filter(({ rule, seen }) => seen < last(rule)).map(({ rule }) => rule),
    async create(key, body, signal): Promise<Created> {
      const fault = await take('create', key);
      const created = await store.create(key, fault?.kind === 'short' ? await shorter(body, fault.bytes) : body, signal);
      after(fault, 'create', key);
      return created;
    },
    async *read(key, options) {
      const fault = await take('read', key);
      if (fault?.kind === 'missing') throw new LifeboatError('NoSuchObject', `there is no ${key} in ${store.url}`);
      yield* damaged(store.read(fault?.kind === 'swap' ? fault.with : key, options), fault);
    },
    async head(key, options) {
      const fault = await take('head', key);
      return fault?.kind === 'missing' ? undefined : store.head(key, options);
    },
    async *list(prefix, options) {
      const fault = await take('list', prefix);
      if (fault?.kind !== 'missing') yield* store.list(prefix, options);
    },
    async delete(key) {
      const fault = await take('delete', key);
      await store.delete(key);
      after(fault, 'delete', key);
    },
    async replace(key, body, ifMatch) {
      const fault = await take('replace', key);
      const etag = await store.replace(key, body, ifMatch);
      after(fault, 'replace', key);
      return etag;
    },
  };
};

const matches = (wanted: string | RegExp | undefined, key: string): boolean =>
  wanted === undefined || (typeof wanted === 'string' ? wanted === key : wanted.test(key));

const failure = (code: ErrorCode, on: string, key: string): LifeboatError => new LifeboatError(code, `${on} of ${key} failed by plan`);

const shorter = async (body: Body, bytes: number): Promise<Uint8Array> => {
  if (body instanceof Uint8Array) return body.subarray(0, bytes);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.open(0, Math.min(bytes, body.bytes))) chunks.push(chunk);
  return Buffer.concat(chunks);
};

async function* damaged(bytes: AsyncIterable<Uint8Array>, fault: StoreFault['fault'] | undefined): AsyncGenerator<Uint8Array> {
  let position = 0;
  for await (const chunk of bytes) {
    const start = position;
    position += chunk.length;
    if (fault?.kind === 'flip' && fault.at >= start && fault.at < position) {
      const copy = Buffer.from(chunk);
      copy.writeUInt8(copy.readUInt8(fault.at - start) ^ 1, fault.at - start);
      yield copy;
    } else if (fault?.kind === 'short' && position > fault.bytes) {
      yield chunk.subarray(0, fault.bytes - start);
      return;
    } else {
      yield chunk;
    }
  }
}
