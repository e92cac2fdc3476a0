import { createHash } from 'node:crypto';
import type { Check } from '../../../backup/types.ts';
import { isLifeboatError } from '../../../errors.ts';
import type { Budget, Objects } from '../../contract.ts';
import { integer, type SqlSession, small } from '../engines/sql.ts';
import { type Block, type BlockLayout, blockOf, blocksOf, type Slice } from './keys.ts';

const PAGE_ROWS = 5000;
const HEADS_AT_ONCE = 16;
/** Keys that are named when blocks are missing. */
const SHOWN_MAX = 3;

/** Numbers below 1 that are the same for the same seed. */
const randomOf = (seed: string): (() => number) => {
  let round = 0;
  return () => createHash('sha256').update(`${seed}:${round++}`).digest().readUInt32BE(0) / 2 ** 32;
};

/** Every slice with the same chance; holds no more than the sample. Undefined when the time was over before the last slice. */
export const sampleSlices = async (
  { dialect, rows }: SqlSession,
  many: number,
  seed: string,
  budget: Budget,
): Promise<readonly Slice[] | undefined> => {
  const random = randomOf(seed);
  const sample: Slice[] = [];
  let seen = 0;
  for (let after = 0n; ; ) {
    if (budget.remaining() <= 0) return undefined;
    const page = await rows(
      `SELECT chunkid, size FROM ${dialect.table('chunk_ref')} WHERE chunkid > ${after} AND size > 0 ORDER BY chunkid LIMIT ${PAGE_ROWS}`,
      'choosing slices',
    );
    for (const row of page) {
      seen++;
      const slice = { id: integer(row[0]), size: small(row[1]) >>> 0 };
      if (sample.length < many) sample.push(slice);
      else {
        const place = Math.floor(random() * seen);
        if (place < many) sample[place] = slice;
      }
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_ROWS) return sample;
    after = integer(last[0]);
  }
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
