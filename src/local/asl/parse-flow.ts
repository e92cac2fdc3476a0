import { below, type Fields, fieldsAt, listAt, numberAt, objectAt, oneOf, optional, refuse, stringAt, templateAt } from './fields.ts';
import { DELAY_MAX_SECONDS, NAME_MAX_CHARS, SECONDS_MAX } from './limits.ts';
import type { Catcher, Chain, Effects, Guarded, Onward, Retrier, Template } from './types.ts';

/** What states have in common: where they lead to, what they leave behind, what they do about errors. */

/** Parses a nested scope that may have these fields beside StartAt and States. */
export type ParseChain = (value: unknown, path: string, allowed: readonly string[]) => Chain;

const ANY = ['Comment', 'QueryLanguage'];
export const EFFECTS: readonly string[] = ['Assign', 'Output'];
export const ONWARD: readonly string[] = [...EFFECTS, 'Next', 'End'];
export const GUARDED: readonly string[] = [...ONWARD, 'Retry', 'Catch'];

export function stateFields(value: unknown, path: string, allowed: readonly string[], required: readonly string[]): Fields {
  const fields = fieldsAt(value, path, [...ANY, ...allowed], ['Type', ...required]);
  optional(fields, 'QueryLanguage', path, (language, at) => oneOf(language, at, ['JSONata']));
  return fields;
}

export function effects(fields: Fields, path: string): Effects {
  return { assign: optional(fields, 'Assign', path, assignAt), output: optional(fields, 'Output', path, templateAt) };
}

function assignAt(value: unknown, path: string): Template {
  for (const name of Object.keys(objectAt(value, path))) {
    if (!/^[\p{ID_Start}_][\p{ID_Continue}]*$/u.test(name) || name.length > NAME_MAX_CHARS)
      refuse(below(path, name), 'is not the name of a variable');
    if (name === 'states') refuse(below(path, name), '$states is reserved');
  }
  return templateAt(value, path);
}

export function onward(fields: Fields, path: string): Onward {
  const next = optional(fields, 'Next', path, stringAt);
  const end = optional(fields, 'End', path, (value, at) => (value === true ? value : refuse(at, 'must be true')));
  if ((next === undefined) === (end === undefined)) refuse(path, 'needs either Next or End');
  return { ...effects(fields, path), next };
}

export function guarded(fields: Fields, path: string): Guarded {
  return { ...onward(fields, path), retry: parseRetry(fields, path), catch: parseCatch(fields, path) };
}

function parseRetry(fields: Fields, path: string): readonly Retrier[] {
  const at = below(path, 'Retry');
  if (fields['Retry'] === undefined) return [];
  const entries = listAt(fields['Retry'], at);
  return entries.map((entry, n) => retrier(entry, below(at, n), n === entries.length - 1));
}

function retrier(value: unknown, path: string, last: boolean): Retrier {
  const known = ['Comment', 'IntervalSeconds', 'MaxAttempts', 'BackoffRate', 'MaxDelaySeconds', 'JitterStrategy'];
  const fields = fieldsAt(value, path, known, ['ErrorEquals']);
  const number = (field: string, min: number, max: number, whole = true) =>
    optional(fields, field, path, (entry, at) => numberAt(entry, at, { min, max, whole }));
  return {
    errorEquals: errorEquals(fields['ErrorEquals'], below(path, 'ErrorEquals'), last),
    intervalSeconds: number('IntervalSeconds', 1, SECONDS_MAX) ?? 1,
    maxAttempts: number('MaxAttempts', 0, SECONDS_MAX) ?? 3,
    backoffRate: number('BackoffRate', 1, SECONDS_MAX, false) ?? 2,
    maxDelaySeconds: number('MaxDelaySeconds', 1, DELAY_MAX_SECONDS),
    fullJitter: optional(fields, 'JitterStrategy', path, (entry, at) => oneOf(entry, at, ['FULL', 'NONE'])) === 'FULL',
  };
}

function parseCatch(fields: Fields, path: string): readonly Catcher[] {
  const at = below(path, 'Catch');
  if (fields['Catch'] === undefined) return [];
  const entries = listAt(fields['Catch'], at);
  return entries.map((entry, n) => catcher(entry, below(at, n), n === entries.length - 1));
}

function catcher(value: unknown, path: string, last: boolean): Catcher {
  const fields = fieldsAt(value, path, ['Comment', 'Assign', 'Output'], ['ErrorEquals', 'Next']);
  const next = stringAt(fields['Next'], below(path, 'Next'));
  return { ...effects(fields, path), errorEquals: errorEquals(fields['ErrorEquals'], below(path, 'ErrorEquals'), last), next };
}

function errorEquals(value: unknown, path: string, last: boolean): readonly string[] {
  const names = listAt(value, path).map((name, n) => stringAt(name, below(path, n)));
  if (names.includes('States.ALL') && (names.length > 1 || !last)) refuse(path, 'States.ALL must be alone, and in the last entry');
  return names;
}
