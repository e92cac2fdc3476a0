import { createHash } from 'node:crypto';
import type { Check } from '../../../backup/types.ts';
import { isLifeboatError } from '../../../errors.ts';
import type { Budget, Objects } from '../../contract.ts';
import { hashOf } from '../engines/slice-sums.ts';
import { type Block, type BlockLayout, blockOf, blocksOf, type Slice } from './keys.ts';

const HEADS_AT_ONCE = 16;
/** Keys that are named when blocks are missing. */
const SHOWN_MAX = 3;

/** Numbers below 1 that are the same for the same seed. */
const randomOf = (seed: string): (() => number) => {
  let round = 0;
  return () => createHash('sha256').update(`${seed}:${round++}`).digest().readUInt32BE(0) / 2 ** 32;
};

interface Ranked extends Slice {
  readonly rank: number;
}

/**
 * Those whose hash is lowest: each slice has the same chance, however often it comes, and the sample is the same on every engine. Holds
 * twice the sample at most. Undefined when the time was over before the last slice.
 */
export const sampleSlices = async (
  pages: AsyncIterable<readonly Slice[]>,
  many: number,
  seed: string,
  budget: Budget,
): Promise<readonly Slice[] | undefined> => {
  const random = randomOf(seed);
  const seeds = [random() * 2 ** 32, random() * 2 ** 32] as const;
  let sample: Ranked[] = [];
  let highest = Number.POSITIVE_INFINITY;
  const settle = (): void => {
    const known = new Set<bigint>();
    sample = sample
      .sort((one, other) => one.rank - other.rank)
      .filter(({ id }) => !known.has(id) && known.add(id))
      .slice(0, many);
    if (sample.length === many) highest = sample.at(-1)?.rank ?? highest;
  };
  for await (const page of pages) {
    budget.signal.throwIfAborted();
    if (budget.remaining() <= 0) return undefined;
    for (const { id, size } of page) {
      const rank = hashOf(id, size, seeds[0]) * 2 ** 20 + (hashOf(id, size, seeds[1]) >>> 12);
      if (rank < highest) sample.push({ id, size, rank });
      if (sample.length >= 2 * many) settle();
    }
  }
  settle();
  return sample.map(({ id, size }) => ({ id, size }));
};

export interface Look {
  readonly objects: Objects;
  readonly slices: readonly Slice[];
  readonly layout: BlockLayout;
  /** Whether objects are stored as they are, so that their size says something. */
  readonly plain: boolean;
  readonly seed: string;
  readonly budget: Budget;
}

/** Asks the bucket for one block of each slice. */
export const lookForBlocks = async ({ objects, slices, layout, plain, seed, budget }: Look): Promise<Check> => {
  const random = randomOf(`${seed}:blocks`);
  const blocks = slices.map((slice) => blockOf(slice, Math.floor(random() * blocksOf(slice, layout)), layout));
  const flaws: string[] = [];
  for (let at = 0; at < blocks.length; at += HEADS_AT_ONCE) {
    budget.signal.throwIfAborted();
    const found = await Promise.all(blocks.slice(at, at + HEADS_AT_ONCE).map((block) => flawOf(objects, block, plain)));
    flaws.push(...found.filter((flaw) => flaw !== undefined));
  }
  const all = `${blocks.length} of ${blocks.length} sampled`;
  const present = `${blocks.length - flaws.length} of ${blocks.length} sampled`;
  return {
    name: 'blocks present',
    expected: all,
    actual: flaws.length === 0 ? present : `${present}: ${flaws.slice(0, SHOWN_MAX).join('; ')}`,
    ok: flaws.length === 0,
  };
};

const flawOf = async (objects: Objects, { key, bytes }: Block, plain: boolean): Promise<string | undefined> => {
  try {
    const found = await objects.head(key);
    if (found === undefined) return `${key} is gone`;
    return plain && found.bytes !== bytes ? `${key} has ${found.bytes} bytes instead of ${bytes}` : undefined;
  } catch (error) {
    if (isLifeboatError(error, 'NoSuchObject')) return `${key} is gone`;
    throw error;
  }
};
