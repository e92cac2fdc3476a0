import validate from 'asl-validator';
import { isErrorCode, isLifeboatError, retryableCodes } from '../../src/errors.ts';
import { toJson } from '../../src/local/asl/json.ts';
import { jsonBytes } from '../../src/local/asl/limits.ts';
import { parseMachine } from '../../src/local/asl/parse.ts';
import { assignedBy } from '../../src/local/asl/parse-scopes.ts';
import type { Chain, Guarded, Machine, MapState, State } from '../../src/local/asl/types.ts';
import { FUNCTIONS, SERVICE_ERRORS } from './builtins.ts';
import { expressionsIn, type Site, sitesOf } from './sites.ts';
import { assignedBefore } from './variables.ts';

export interface Finding {
  readonly path: string;
  readonly rule: 'schema' | 'refused' | 'variable' | 'states' | 'timeout' | 'retry' | 'catch' | 'error-name' | 'literal' | 'result-writer';
  readonly message: string;
}

/** Payloads are pointers: a literal this large belongs into the store. In bytes. */
const LITERAL_MAX_BYTES = 32 * 1024;
/** A Task without Retry says why: `"Comment": "Not retried: …"`. */
const NOT_RETRIED = /^Not retried: \S/;
const CONTEXT_FIELDS = ['Execution', 'State', 'StateMachine'];

/**
 * What is wrong with a definition, beyond what a validator sees. Empty means: it runs here, and it follows the house's rules.
 * A definition that the interpreter refuses is linted no further.
 */
export const lint = (definition: unknown): readonly Finding[] => [...lintSchema(definition), ...lintRules(definition)];

/** What asl-validator finds; slow, as it compiles its schemas anew each time. */
export function lintSchema(definition: unknown): readonly Finding[] {
  const schema = validate(definition);
  return schema.isValid ? [] : [{ path: '$', rule: 'schema', message: schema.errorsText('; ') }];
}

/** What it misses. */
export function lintRules(definition: unknown): readonly Finding[] {
  const findings: Finding[] = [];
  const machine = parsed(definition, findings);
  if (machine === undefined) return findings;
  if (machine.timeoutSeconds === undefined) findings.push({ path: '$', rule: 'timeout', message: 'the machine has no TimeoutSeconds' });
  const top: Around = { raw: definition, path: '$', variables: new Set(), known: new Set(), caught: false, inItem: false, findings };
  lintChain(machine.chain, top);
  return findings;
}

function parsed(definition: unknown, findings: Finding[]): Machine | undefined {
  try {
    return parseMachine(definition);
  } catch (error) {
    if (!isLifeboatError(error, 'ConfigInvalid')) throw error;
    findings.push({ path: '$', rule: 'refused', message: error.message });
    return undefined;
  }
}

interface Around {
  /** The scope as it is written: an object with StartAt and States. */
  readonly raw: unknown;
  readonly path: string;
  /** Surely assigned, and assigned at all, in the scopes outside. */
  readonly variables: ReadonlySet<string>;
  readonly known: ReadonlySet<string>;
  /** A Map or Parallel outside catches. */
  readonly caught: boolean;
  readonly inItem: boolean;
  readonly findings: Finding[];
}

const inside = (value: unknown, ...fields: readonly (string | number)[]): unknown =>
  fields.reduce<unknown>((at, field) => Object(at)[field], value);

function lintChain(chain: Chain, around: Around): void {
  const before = assignedBefore(chain, around.variables);
  const known = new Set([...around.known, ...[...chain.states.values()].flatMap((state) => [...assignedBy(state)])]);
  for (const [name, state] of chain.states) {
    const here = {
      ...around,
      raw: inside(around.raw, 'States', name),
      path: `${around.path}.States.${name}`,
      variables: before.get(name) ?? new Set(),
      known,
    };
    lintState(state, here);
    lintInner(state, here);
  }
}

function lintState(state: State, here: Around): void {
  for (const site of sitesOf(state)) lintSite(site, here);
  for (const name of assignedBy(state)) {
    if (FUNCTIONS.has(name)) report(here, 'variable', `$${name} would hide the function of that name`);
  }
  if ('retry' in state) lintErrorNames(state, here);
  if (state.type === 'Task') lintGuards(state, here);
  if (state.type === 'Map' && state.mode === 'DISTRIBUTED') lintWriter(state, here);
  for (const field of ['Arguments', 'Assign', 'Output', 'Items', 'ItemSelector']) {
    const value = inside(here.raw, field);
    if (value !== undefined && jsonBytes(toJson(value)) > LITERAL_MAX_BYTES)
      report(here, 'literal', `${field} has more than ${LITERAL_MAX_BYTES} bytes`);
  }
}

function lintInner(state: State, here: Around): void {
  const caught = here.caught || ('catch' in state && state.catch.length > 0);
  if (state.type === 'Parallel') {
    for (const [n, branch] of state.branches.entries())
      lintChain(branch, { ...here, raw: inside(here.raw, 'Branches', n), path: `${here.path}.Branches[${n}]`, caught });
  }
  if (state.type === 'Map') {
    const scope = state.mode === 'INLINE' ? { inItem: true } : { inItem: false, variables: new Set<string>(), known: new Set<string>() };
    lintChain(state.processor, { ...here, raw: inside(here.raw, 'ItemProcessor'), path: `${here.path}.ItemProcessor`, caught, ...scope });
  }
}

function report(here: Around, rule: Finding['rule'], message: string): void {
  here.findings.push({ path: here.path, rule, message });
}

function lintSite(site: Site, here: Around): void {
  const say = (rule: Finding['rule'], message: string) => here.findings.push({ path: `${here.path}.${site.field}`, rule, message });
  for (const { source, references } of expressionsIn(site.template)) {
    for (const name of references.names) {
      if (name === 'states' || FUNCTIONS.has(name) || here.variables.has(name)) continue;
      const why = here.known.has(name) ? 'has no value on every path to here' : 'is assigned nowhere in scope';
      say('variable', `$${name} ${why}: {% ${source} %}`);
    }
    for (const name of references.optional) {
      if (!here.known.has(name) && name !== 'states') say('variable', `$${name} is assigned nowhere in scope: {% ${source} %}`);
    }
    for (const name of references.rootless) say('states', `${name} is looked up in nothing; write $states.input.${name}: {% ${source} %}`);
    for (const path of references.states)
      if (!visible(path, site, here)) say('states', `$states.${path} does not exist here: {% ${source} %}`);
  }
}

function visible(path: string, site: Site, here: Around): boolean {
  const [first = '', second] = path.split('.');
  if (!site.sees.includes(first)) return false;
  if (first !== 'context' || second === undefined || second === '*') return true;
  return CONTEXT_FIELDS.includes(second) || (second === 'Map' && (site.seesItem || here.inItem));
}

function lintErrorNames(state: Guarded, here: Around): void {
  const retried = state.retry.flatMap((retrier) => retrier.errorEquals);
  const codes: readonly string[] = retryableCodes();
  for (const name of retried) {
    if (!SERVICE_ERRORS.has(name) && !codes.includes(name))
      report(here, 'error-name', `Retry names ${name}, which is no retryable error of src/errors.ts`);
  }
  for (const name of state.catch.flatMap((catcher) => catcher.errorEquals)) {
    if (!SERVICE_ERRORS.has(name) && !isErrorCode(name))
      report(here, 'error-name', `Catch names ${name}, which is no error of src/errors.ts`);
  }
}

function lintGuards(state: State & { readonly type: 'Task' }, here: Around): void {
  if (state.timeoutSeconds === undefined) report(here, 'timeout', 'the task has no TimeoutSeconds');
  if (state.catch.length === 0 && !here.caught) report(here, 'catch', 'the task has no Catch, and no Map or Parallel around it has one');
  if (state.retry.some((retrier) => retrier.maxAttempts > 0 && !retrier.fullJitter))
    report(here, 'retry', 'a Retry has no JitterStrategy FULL');
  const excused = NOT_RETRIED.test(String(inside(here.raw, 'Comment')));
  if (state.retry.length === 0 && !excused) report(here, 'retry', 'the task has no Retry, and no comment "Not retried: …" that says why');
}

function lintWriter(state: MapState, here: Around): void {
  if (state.writer === undefined)
    report(here, 'result-writer', 'a distributed Map without ResultWriter fails once its results pass 256 KiB');
}
