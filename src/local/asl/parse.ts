import { below, type Fields, fieldsAt, numberAt, objectAt, oneOf, optional, refuse, SECONDS, stringAt } from './fields.ts';
import { DEFINITION_MAX_BYTES, NAME_MAX_CHARS } from './limits.ts';
import { refuseSharedNames } from './parse-scopes.ts';
import { nextNames, parseState } from './parse-state.ts';
import type { Chain, Machine, State } from './types.ts';

/** Turns a definition into what the interpreter runs, or refuses it (ConfigInvalid) with the path of the first field that it cannot take. */
export function parseMachine(definition: unknown): Machine {
  const bytes = Buffer.byteLength(JSON.stringify(definition) ?? '');
  if (bytes > DEFINITION_MAX_BYTES) refuse('$', `has ${bytes} bytes; at most ${DEFINITION_MAX_BYTES} are allowed`);
  const optionalFields = ['Comment', 'Version', 'TimeoutSeconds'];
  const fields = fieldsAt(definition, '$', optionalFields, ['QueryLanguage', 'StartAt', 'States']);
  oneOf(fields['QueryLanguage'], '$.QueryLanguage', ['JSONata']);
  optional(fields, 'Version', '$', (value, path) => oneOf(value, path, ['1.0']));
  const timeoutSeconds = optional(fields, 'TimeoutSeconds', '$', (value, path) => numberAt(value, path, SECONDS));
  const chain = parseChain(fields, '$', new Set());
  refuseSharedNames(chain, '$', new Set());
  return { timeoutSeconds, chain };
}

/** `taken` collects the names of all states: they are unique in the whole machine. */
function parseChain(fields: Fields, path: string, taken: Set<string>): Chain {
  const startAt = stringAt(fields['StartAt'], below(path, 'StartAt'));
  const statesPath = below(path, 'States');
  const entries = Object.entries(objectAt(fields['States'], statesPath));
  for (const [name] of entries) claimName(name, below(statesPath, name), taken);
  const parse = (value: unknown, at: string, allowed: readonly string[]) =>
    parseChain(fieldsAt(value, at, ['Comment', ...allowed], ['StartAt', 'States']), at, taken);
  const states = new Map(entries.map(([name, state]) => [name, parseState(name, state, below(statesPath, name), parse)]));
  if (!states.has(startAt)) refuse(below(path, 'StartAt'), `there is no state ${JSON.stringify(startAt)} here`);
  refuseBrokenPaths(states, startAt, statesPath);
  return { startAt, states };
}

function claimName(name: string, path: string, taken: Set<string>): void {
  if (name === '' || name.length > NAME_MAX_CHARS) refuse(path, `the name of a state has 1 to ${NAME_MAX_CHARS} characters`);
  if (taken.has(name)) refuse(path, 'two states of one machine have this name');
  taken.add(name);
}

function refuseBrokenPaths(states: ReadonlyMap<string, State>, startAt: string, path: string): void {
  const reached = new Set([startAt]);
  for (const name of reached) {
    const state = states.get(name);
    if (state === undefined) continue;
    for (const next of nextNames(state)) {
      if (!states.has(next)) refuse(below(path, name), `it leads to ${JSON.stringify(next)}, and there is no such state here`);
      reached.add(next);
    }
  }
  for (const name of states.keys()) if (!reached.has(name)) refuse(below(path, name), 'nothing leads to this state');
}
