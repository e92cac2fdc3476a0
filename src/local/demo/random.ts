/** Deterministic chance: the same seed gives the same catalogue on every machine. */
import { createHash } from 'node:crypto';

export interface Random {
  /** 0 ≤ x < 1 */
  fraction(): number;
  /** An integer, 0 ≤ x < n. */
  below(n: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly [T, ...T[]]): T;
  /** `words` words, now and then one that is hard to quote. */
  sentence(words: number): string;
}

/** One in a hundred words is one of these: what COPY text, JSON and SQL have to escape, and what is not ASCII. */
const HARD_WORDS = [
  'naïve',
  'Größe',
  '数据',
  'данные',
  '🚀',
  'tab\there',
  'line\nbreak',
  'quote"q',
  "apos'a",
  'back\\slash',
  '\u2028sep',
  '\\.',
];
const HARD_WORD_CHANCE = 0.01;

const WORDS = (
  'customer order invoice daily revenue region product session event user account ledger shipment warehouse click score churn model ' +
  'feature batch raw clean dim fact stage audit snapshot metric budget campaign supplier ticket contract price discount tax country ' +
  'city postal phone address email segment cohort funnel device browser referrer'
).split(' ');

/** A stream of its own for each name, so that tables do not depend on the order in which they are made. */
export function random(seed: number, name: string): Random {
  const fraction = mulberry32(createHash('md5').update(`${seed}/${name}`).digest().readUInt32LE());
  const below = (n: number): number => Math.floor(fraction() * n);
  const word = (): string => {
    const words = fraction() < HARD_WORD_CHANCE ? HARD_WORDS : WORDS;
    return words[below(words.length)] ?? '';
  };
  return {
    fraction,
    below,
    chance: (probability) => fraction() < probability,
    pick: (from) => from[below(from.length)] ?? from[0],
    sentence: (words) => Array.from({ length: words }, word).join(' '),
  };
}

/** Tommy Ettinger's generator: 32 bits of state are plenty for prose. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
