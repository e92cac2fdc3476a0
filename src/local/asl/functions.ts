import { createHash } from 'node:crypto';
import jsonata from 'jsonata';
import { parseJson } from '../../json.ts';
import { RANGE_MAX } from './limits.ts';

/** Where an expression gets time and chance from. */
export interface Tools {
  now(): number;
  random(): number;
}

/** A function that Step Functions adds to JSONata was called with something that it does not take. */
export class FunctionMisuse extends Error {
  override readonly name = 'FunctionMisuse';
}

const ALGORITHMS: Readonly<Record<string, string>> = {
  MD5: 'md5',
  'SHA-1': 'sha1',
  'SHA-256': 'sha256',
  'SHA-384': 'sha384',
  'SHA-512': 'sha512',
};

function partition(items: unknown, size: unknown): unknown[][] {
  const list = Array.isArray(items) ? items : [items];
  if (typeof size !== 'number' || !Number.isInteger(size) || size < 1)
    throw new FunctionMisuse('$partition takes an array and a size of at least 1');
  return Array.from({ length: Math.ceil(list.length / size) }, (_, n) => list.slice(n * size, (n + 1) * size));
}

function range(first: unknown, last: unknown, step: unknown): number[] {
  if (![first, last, step].every(Number.isInteger) || step === 0)
    throw new FunctionMisuse('$range takes three whole numbers, the step not 0');
  const [from, to, by] = [Number(first), Number(last), Number(step)];
  const length = Math.max(0, Math.floor((to - from) / by) + 1);
  if (length > RANGE_MAX) throw new FunctionMisuse(`$range makes at most ${RANGE_MAX} numbers`);
  return Array.from({ length }, (_, n) => from + n * by);
}

function hash(data: unknown, algorithm: unknown): string {
  const known = typeof algorithm === 'string' ? ALGORITHMS[algorithm] : undefined;
  if (known === undefined) throw new FunctionMisuse(`$hash takes one of ${Object.keys(ALGORITHMS).join(', ')}`);
  const text = typeof data === 'string' ? data : JSON.stringify(data);
  if (text === undefined) throw new FunctionMisuse('$hash needs a value');
  return createHash(known).update(text).digest('hex');
}

function parse(text: unknown): unknown {
  if (typeof text !== 'string') throw new FunctionMisuse('$parse takes a string');
  try {
    return parseJson(text);
  } catch {
    throw new FunctionMisuse('$parse was given a string that is not JSON');
  }
}

/** A version 4 UUID from the given chance, so that a simulation with one seed names everything alike. */
export function uuidFrom(random: () => number): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16));
  hex[12] = 4;
  hex[16] = 8 + ((hex[16] ?? 0) % 4);
  return hex
    .map((digit) => digit.toString(16))
    .join('')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Mulberry32: `$random(seed)` answers the same number for the same seed. */
function seeded(seed: number): number {
  let mixed = (seed + 0x6d2b79f5) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

const formatTime = jsonata('$fromMillis($at, $picture, $zone)');

/** The functions of Step Functions that are pure. */
export const PURE_FUNCTIONS = { partition, range, hash, parse } as const;

/** Those that need the world, and JSONata's own two that would ask the real clock. Bound anew at each evaluation. */
export function worldFunctions(tools: Tools) {
  const at = tools.now();
  return {
    random: (seed?: unknown) => (typeof seed === 'number' ? seeded(seed) : tools.random()),
    uuid: () => uuidFrom(tools.random),
    millis: () => at,
    now: (picture?: unknown, zone?: unknown): Promise<unknown> => formatTime.evaluate(undefined, { at, picture, zone }),
  };
}

/** Names that a variable would shadow. */
export const ADDED_FUNCTIONS: readonly string[] = [...Object.keys(PURE_FUNCTIONS), 'random', 'uuid', 'millis', 'now'];
