import { z } from 'zod';
import type { Check } from '../../../backup/types.ts';
import type { Budget } from '../../contract.ts';
import { CHUNK_BITS, SLICE_BYTES } from '../model.ts';
import { openIdSet } from './id-set.ts';
import { bytesOf, listOfReplies, numberOf, type RedisSession } from './redis.ts';
import { readNodes } from './redis-nodes.ts';
import { neverSettled, PASSES_MAX, scanHash, scanPage, toldOnce } from './redis-scan.ts';
import {
  countSlices,
  type NamedSlice,
  NO_SLICES,
  namedSlices,
  REFERENCES,
  type SliceCount,
  type SliceSums,
  SliceSumsSchema,
  sliceChecks,
} from './slice-sums.ts';

/** Chunks that are asked for at once. */
const CHUNKS_MAX = 2000;

export const SlicesSchema = z.strictObject({
  cursor: z.string(),
  seen: z.int(),
  own: z.int(),
  again: z.int(),
  sums: SliceSumsSchema,
  /** Chunks without an inode, behind the end of their file, and not made of whole slices. */
  flaws: z.tuple([z.int(), z.int(), z.int()]),
  /** Why references cannot be counted to the end. */
  uncounted: z.string().nullable(),
});
export type SlicesState = z.output<typeof SlicesSchema>;

const START: SlicesState = { cursor: '0', seen: 0, own: 0, again: 0, sums: NO_SLICES, flaws: [0, 0, 0], uncounted: null };

export interface AuditedSlices {
  readonly checks: readonly Check[];
  readonly notMeasured: readonly { readonly what: string; readonly why: string }[];
  readonly next: SlicesState | undefined;
}

interface StoredChunk {
  readonly inode: bigint;
  readonly index: bigint;
  /** As they are stored, one behind the other. */
  readonly slices: readonly Buffer[];
}

/**
 * Counts what chunks name, and what is stored of it. A slice with one reference has nothing stored, so those that are named must be
 * told apart: a bit for each lives in this process alone, and what another invocation goes on with has no references.
 */
export const auditSlices = async (
  session: RedisSession,
  from: SlicesState | undefined,
  waiting: ReadonlySet<bigint>,
  budget: Budget,
  progress: (keys: number) => void,
): Promise<AuditedSlices> => {
  let state: SlicesState =
    from === undefined ? START : { ...from, uncounted: from.uncounted ?? 'the time of one function was over before all chunks were seen' };
  let single = openIdSet();
  for (;;) {
    budget.signal.throwIfAborted();
    const page = await scanPage(session, state.cursor);
    let { uncounted } = state;
    const count = countSlices(state.sums);
    const flaws: [number, number, number] = [...state.flaws];
    for await (const chunks of chunksOf(session, page.names)) {
      const nodes = await readNodes(
        session,
        chunks.map(({ inode }) => inode),
      );
      for (const chunk of chunks) {
        const node = nodes.get(chunk.inode);
        if (node === undefined && !waiting.has(chunk.inode)) flaws[0] += 1;
        if (node !== undefined && (node.attr.length === 0n || chunk.index > (node.attr.length - 1n) >> BigInt(CHUNK_BITS))) flaws[1] += 1;
        if (chunk.slices.length === 0 || chunk.slices.some(({ length }) => length !== SLICE_BYTES)) flaws[2] += 1;
      }
      if (!(await addChunks(session, count, chunks, single))) uncounted ??= 'ids of slices lie too far apart to be told apart';
    }
    progress(page.keys);
    state = {
      cursor: page.next,
      seen: state.seen + page.keys,
      own: state.own + page.names.length,
      again: state.again,
      sums: count.sums(),
      flaws,
      uncounted,
    };
    const ended = page.next === '0';
    if (ended && !(await toldOnce(session, state))) {
      if (state.again + 1 >= PASSES_MAX) return { checks: [], notMeasured: [neverSettled(REFERENCES)], next: undefined };
      single = openIdSet();
      state = { ...START, again: state.again + 1 };
    } else if (ended) return conclude(session, state);
    if (budget.remaining() <= 0) return { checks: [], notMeasured: [], next: state };
  }
};

async function* chunksOf(session: RedisSession, names: readonly string[]): AsyncGenerator<readonly StoredChunk[]> {
  const chunks = names.flatMap((name) => {
    const [, inode, index] = /^c(\d+)_(\d+)$/.exec(name) ?? [];
    return inode === undefined || index === undefined ? [] : [{ name, inode: BigInt(inode), index: BigInt(index) }];
  });
  for (let at = 0; at < chunks.length; at += CHUNKS_MAX) {
    const some = chunks.slice(at, at + CHUNKS_MAX);
    const lists = await session.pipeline(some.map(({ name }) => ['LRANGE', session.prefix + name, 0, -1] as const));
    yield some.map(({ inode, index }, i) => ({ inode, index, slices: listOfReplies(lists[i]).flatMap((slice) => bytesOf(slice) ?? []) }));
  }
}

const fieldOf = (slice: Buffer): string => `k${slice.readBigUInt64BE(4)}_${slice.readUInt32BE(12)}`;

/** False when there is no room to tell them apart. */
const addChunks = async (
  session: RedisSession,
  count: SliceCount,
  chunks: readonly StoredChunk[],
  single: ReturnType<typeof openIdSet>,
): Promise<boolean> => {
  const slices = chunks.flatMap((chunk) => chunk.slices.filter(({ length }) => length === SLICE_BYTES));
  for (const slice of slices) count.names(slice);
  const named = slices.filter((slice) => slice.readBigUInt64BE(4) !== 0n);
  if (named.length === 0) return true;
  const fields = listOfReplies(await session.call('HMGET', `${session.prefix}sliceRef`, ...named.map(fieldOf)));
  let room = true;
  for (const [i, slice] of named.entries()) {
    if (bytesOf(fields[i]) !== undefined) continue;
    const fresh = single.add(slice.readBigUInt64BE(4));
    room &&= fresh !== undefined;
    if (fresh === true) count.reference(slice.readBigUInt64BE(4), slice.readUInt32BE(12), 1);
  }
  return room;
};

const conclude = async (session: RedisSession, state: SlicesState): Promise<AuditedSlices> => {
  const [without, behind, broken] = state.flaws;
  const none = (name: string, found: number): Check => ({ name, expected: '0', actual: String(found), ok: found === 0 });
  const checks = [
    none('chunks without an inode', without),
    none('chunks behind the end of their file', behind),
    none('chunks that are not whole slices', broken),
  ];
  const sums = state.uncounted === null ? await withStored(session, state.sums) : undefined;
  const all = sliceChecks(sums ?? state.sums);
  if (sums !== undefined) return { checks: [...checks, ...all], notMeasured: [], next: undefined };
  const why = state.uncounted ?? 'sliceRef changed while it was read';
  return {
    checks: [...checks, ...all.filter(({ name }) => name !== REFERENCES)],
    notMeasured: [{ what: REFERENCES, why }],
    next: undefined,
  };
};

/** Adds what `sliceRef` has: one less than the references. Undefined when the server told of some fields twice each time. */
const withStored = async (session: RedisSession, before: SliceSums): Promise<SliceSums | undefined> => {
  for (let pass = 0; pass < PASSES_MAX; pass++) {
    const count = countSlices(before);
    let seen = 0n;
    for await (const pairs of scanHash(session, 'sliceRef')) {
      seen += BigInt(pairs.length);
      for (const [field, value] of pairs) {
        const [, id, size] = /^k(\d+)_(\d+)$/.exec(field.toString('latin1')) ?? [];
        // What the real load writes for holes, which are no slices.
        if (id === undefined || size === undefined || id === '0') continue;
        count.reference(BigInt(id), Number(size), Number(numberOf(value)) + 1);
      }
    }
    if (seen === numberOf(await session.call('HLEN', `${session.prefix}sliceRef`))) return count.sums();
  }
  return undefined;
};

/** Every slice that a chunk names, in pages; one that is named often comes as often. */
export async function* redisSlices(session: RedisSession): AsyncGenerator<readonly NamedSlice[]> {
  let cursor = '0';
  do {
    const page = await scanPage(session, cursor);
    cursor = page.next;
    for await (const chunks of chunksOf(session, page.names))
      yield chunks.flatMap((chunk) => chunk.slices.flatMap((slice) => namedSlices(slice)).filter(({ size }) => size > 0));
  } while (cursor !== '0');
}
