import type { Json } from '../../backup/types.ts';
import { DEPTH_MAX } from './limits.ts';

/**
 * A plain deep copy, as if the value had been written as JSON and read again, but loud where JSON is silent: a number that
 * is not finite, a function, a symbol, an object with a class or one that is too deep is a TypeError. Undefined fields are left out.
 */
export function toJson(value: unknown, depth = 0): Json {
  if (depth > DEPTH_MAX) throw new TypeError(`a value is nested more than ${DEPTH_MAX} levels deep`);
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return finite(value);
  if (Array.isArray(value)) return Array.from(value, (item: unknown) => toJson(item, depth + 1));
  if (typeof value === 'object') return plainObject(value, depth);
  throw new TypeError(`${value === undefined ? 'undefined' : `a ${typeof value}`} is not JSON`);
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new TypeError(`${value} is not JSON`);
  return value === 0 ? 0 : value;
}

function plainObject(value: object, depth: number): Json {
  // JSONata's lambdas and built-in functions are objects.
  if ('_jsonata_lambda' in value || '_jsonata_function' in value) throw new TypeError('a function is not JSON');
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw new TypeError(`a ${value.constructor.name} is not JSON`);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([name, field]) => [name, toJson(field, depth + 1)]));
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
