import type { Json } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { compileExpression } from './expression.ts';
import { isRecord, toJson } from './json.ts';
import { SECONDS_MAX } from './limits.ts';
import { type Bounds, within } from './template.ts';
import type { Template } from './types.ts';

/** Reading a definition: each function takes the path of the field, and refuses by that path. */

export type Fields = Readonly<Record<string, unknown>>;

export function refuse(path: string, problem: string): never {
  throw new LifeboatError('ConfigInvalid', `state machine refused at ${path}: ${problem}`, {
    hint: 'Only the part of the Amazon States Language that Lifeboat uses is understood, in JSONata.',
  });
}

/** `$.States.Dump`, `$.States["Two words"]`. */
export const below = (path: string, field: string | number): string => {
  if (typeof field === 'number') return `${path}[${field}]`;
  return /^[A-Za-z_]\w*$/.test(field) ? `${path}.${field}` : `${path}[${JSON.stringify(field)}]`;
};

const JSONPATH_FIELDS = new Set(
  `InputPath OutputPath ResultPath Parameters ResultSelector ItemsPath MaxConcurrencyPath SecondsPath TimestampPath
   TimeoutSecondsPath HeartbeatSecondsPath ToleratedFailureCountPath ToleratedFailurePercentagePath MaxItemsPath ErrorPath
   CausePath Variable And Or Not Result`.split(/\s+/),
);

export function objectAt(value: unknown, path: string): Fields {
  return isRecord(value) ? value : refuse(path, 'must be an object');
}

/** An object with no other fields than these. */
export function fieldsAt(value: unknown, path: string, allowed: readonly string[], required: readonly string[] = []): Fields {
  const fields = objectAt(value, path);
  for (const field of Object.keys(fields)) {
    if (allowed.includes(field) || required.includes(field)) continue;
    if (JSONPATH_FIELDS.has(field) || field.endsWith('.$'))
      refuse(below(path, field), 'this is a field of JSONPath; only JSONata is understood');
    refuse(below(path, field), 'unknown field');
  }
  for (const field of required) if (fields[field] === undefined) refuse(below(path, field), 'is missing');
  return fields;
}

export function listAt(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) refuse(path, 'must be an array');
  return value.length > 0 ? value : refuse(path, 'must not be empty');
}

export function stringAt(value: unknown, path: string): string {
  return typeof value === 'string' && value !== '' ? value : refuse(path, 'must be a string that is not empty');
}

export function oneOf<const T extends string>(value: unknown, path: string, known: readonly T[]): T {
  return known.find((word) => word === value) ?? refuse(path, `must be ${known.join(' or ')}, not ${JSON.stringify(value)}`);
}

export function numberAt(value: unknown, path: string, bounds: Bounds): number {
  if (typeof value === 'number' && within(value, bounds)) return value;
  return refuse(path, `must be a ${bounds.whole ? 'whole ' : ''}number from ${bounds.min} to ${bounds.max}`);
}

export const SECONDS: Bounds = { min: 1, max: SECONDS_MAX, whole: true };

/** JSON with expressions in it; any string that holds a delimiter must be one expression as a whole. */
export function templateAt(value: unknown, path: string): Template {
  if (typeof value === 'string' && value.includes('{%')) return expressionAt(value, path);
  if (Array.isArray(value))
    return joined(
      value,
      value.map((item, n) => templateAt(item, below(path, n))),
      path,
    );
  if (!isRecord(value)) return { kind: 'literal', value: literalAt(value, path) };
  const fields = Object.entries(value).map(([name, field]) => [name, fieldTemplate(name, field, path)] as const);
  if (fields.every(([, field]) => field.kind === 'literal')) return { kind: 'literal', value: literalAt(value, path) };
  return { kind: 'object', fields };
}

function fieldTemplate(name: string, value: unknown, path: string): Template {
  if (name.endsWith('.$')) refuse(below(path, name), 'this is a field of JSONPath; only JSONata is understood');
  return templateAt(value, below(path, name));
}

const joined = (value: unknown, items: readonly Template[], path: string): Template =>
  items.every((item) => item.kind === 'literal') ? { kind: 'literal', value: literalAt(value, path) } : { kind: 'array', items };

function literalAt(value: unknown, path: string): Json {
  try {
    return toJson(value);
  } catch (error) {
    return refuse(path, error instanceof Error ? error.message : String(error));
  }
}

export function expressionAt(value: unknown, path: string): Extract<Template, { kind: 'expression' }> {
  if (typeof value !== 'string') refuse(path, 'must be an expression {% … %}');
  try {
    return { kind: 'expression', expression: compileExpression(value) };
  } catch (error) {
    if (error instanceof SyntaxError) refuse(path, error.message);
    throw error;
  }
}

/** A number, or an expression that will give one. */
export function numericAt(value: unknown, path: string, bounds: Bounds): Template {
  if (typeof value === 'string') return expressionAt(value, path);
  return { kind: 'literal', value: numberAt(value, path, bounds) };
}

/** A string, or an expression that will give one. */
export function textAt(value: unknown, path: string): Template {
  return templateAt(stringAt(value, path), path);
}

/** What `read` makes of the field, if it is there. */
export function optional<T>(fields: Fields, field: string, path: string, read: (value: unknown, path: string) => T): T | undefined {
  return fields[field] === undefined ? undefined : read(fields[field], below(path, field));
}
