import { hashOf, SEEDS } from './slice-sums.ts';

/**
 * Two sides that must have the same keys, each as often: what one side adds, the other takes away. Holds two numbers, however many keys
 * there are, so a difference is told, and not which key it is; two differences that hide each other have a chance of 1 in 2^64.
 */
export interface Balance {
  add(key: bigint, of: bigint, times: bigint): void;
  /** How many more keys the first side has; 0 may hide as many on both. */
  readonly excess: bigint;
  readonly even: boolean;
  /** `openBalance` goes on from it. */
  text(): string;
}

const BITS = 64;

/** `key` within `of`, such as an inode within its folder; 0 where there is none. */
const hash = (key: bigint, of: bigint): bigint => {
  const [high, low] = SEEDS.map((seed) => hashOf(key, of === 0n ? 0 : hashOf(of, 0, seed), seed)) as [number, number];
  return (BigInt(high) << 32n) | BigInt(low);
};

export const openBalance = (text = '0:0'): Balance => {
  const [first = '0', second = '0'] = text.split(':');
  let excess = BigInt(first);
  let sum = BigInt(second);
  return {
    add(key, of, times) {
      excess += times;
      sum = BigInt.asUintN(BITS, sum + hash(key, of) * times);
    },
    get excess() {
      return excess;
    },
    get even() {
      return excess === 0n && sum === 0n;
    },
    text: () => `${excess}:${sum}`,
  };
};

/** How many keys are wrong at least. */
export const atLeast = ({ excess, even }: Balance): string => {
  if (even) return '0';
  const found = excess < 0n ? -excess : excess;
  return `at least ${found === 0n ? 2n : found}`;
};
