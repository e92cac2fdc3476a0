import type { Json } from '../../backup/types.ts';
import { StatesError } from './errors.ts';
import { evaluate, type Variables } from './expression.ts';
import { type Frame, scopeOf, type Visit, visitOf } from './frame.ts';
import { jsonBytes, SECONDS_MAX, VARIABLES_MAX_BYTES, withinPayload } from './limits.ts';
import { runMap } from './map.ts';
import { runParallel } from './parallel.ts';
import { catcherFor, type Retries, retriesOf } from './retry.ts';
import { runTask } from './task.ts';
import { render, renderNumber, renderString, wrongValue } from './template.ts';
import type { Chain, ChoiceState, Effects, FailState, State, WaitState } from './types.ts';

/** What a state did: its result, if its type has one, where it leads to, and whose Assign and Output count. */
interface Done {
  readonly result: Json | undefined;
  readonly next: string | undefined;
  readonly effects: Effects;
}

/** What is left of a state once its Assign and Output are evaluated. */
interface Left {
  readonly output: Json;
  readonly variables: Variables;
  readonly next: string | undefined;
}

export async function runChain(chain: Chain, input: Json, frame: Frame): Promise<Json> {
  let left: Left = { output: input, variables: frame.variables, next: chain.startAt };
  while (left.next !== undefined) {
    const state = chain.states.get(left.next);
    if (state === undefined) throw new StatesError('States.Runtime', `there is no state ${left.next}`);
    left = await runState(state, left.output, { ...frame, variables: left.variables });
  }
  return left.output;
}

async function runState(state: State, input: Json, frame: Frame): Promise<Left> {
  frame.signal.throwIfAborted();
  const { history, world } = frame.run;
  history.record(`${state.type}StateEntered`, { state: state.name, input });
  withinPayload(input, `the input of ${state.name}`);
  const enteredTime = new Date(world.clock.now()).toISOString();
  const retries = retriesOf('retry' in state ? state.retry : []);
  const left = await tried(state, input, frame, enteredTime, retries);
  history.record(`${state.type}StateExited`, { state: state.name, output: left.output });
  return left;
}

/** Tries the state until it succeeds, a Retry gives up, and a Catch takes over or the error goes on. */
async function tried(state: State, input: Json, frame: Frame, enteredTime: string, retries: Retries): Promise<Left> {
  for (;;) {
    const visit = visitOf(state, input, enteredTime, retries.count(), frame);
    try {
      const { result, next, effects } = await perform(state, visit);
      return await leave(state, visit, next, effects, result === undefined ? {} : { result });
    } catch (error) {
      const failure = noteFailure(error, state, frame);
      const delay = retries.delay(failure.error, frame.run.world.random);
      if (delay === undefined) return caught(failure, state, visit);
      await frame.run.world.clock.sleep(delay * 1000, frame.signal);
    }
  }
}

/** Whatever stops the branch, and whatever is no error of the machine, goes past Retry and Catch. */
function noteFailure(error: unknown, state: State, frame: Frame): StatesError {
  frame.signal.throwIfAborted();
  if (!(error instanceof StatesError)) throw error;
  const details = { state: state.name, error: error.error, cause: error.causeText };
  if (error.error === 'States.QueryEvaluationError') frame.run.history.record('EvaluationFailed', details);
  if (state.type === 'Map' || state.type === 'Parallel') frame.run.history.record(`${state.type}StateFailed`, details);
  return error;
}

async function caught(failure: StatesError, state: State, visit: Visit): Promise<Left> {
  const catcher = 'catch' in state ? catcherFor(state.catch, failure.error) : undefined;
  if (catcher === undefined) throw failure;
  const errorOutput = { Error: failure.error, Cause: failure.causeText };
  return leave(state, visit, catcher.next, catcher, { errorOutput });
}

/** Assign and Output both see the variables from the state's entry. */
async function leave(
  state: State,
  visit: Visit,
  next: string | undefined,
  effects: Effects,
  outcome: { readonly result?: Json; readonly errorOutput?: Json },
): Promise<Left> {
  const scope = scopeOf(visit, outcome);
  const output =
    effects.output === undefined ? (outcome.result ?? outcome.errorOutput ?? visit.input) : await render(effects.output, scope);
  withinPayload(output, `the output of ${state.name}`);
  if (effects.assign === undefined) return { output, variables: visit.frame.variables, next };
  const assigned = withinPayload(await render(effects.assign, scope), `the variables that ${state.name} assigns`);
  return { output, variables: withVariables(visit.frame.variables, assigned), next };
}

function withVariables(variables: Variables, assigned: Json): Variables {
  const all = { ...variables, ...Object(assigned) };
  if (jsonBytes(all) <= VARIABLES_MAX_BYTES) return all;
  throw new StatesError('States.DataLimitExceeded', `the variables have more than ${VARIABLES_MAX_BYTES} bytes`);
}

async function perform(state: State, visit: Visit): Promise<Done> {
  switch (state.type) {
    case 'Task':
      return { result: await runTask(state, visit), next: state.next, effects: state };
    case 'Parallel':
      return { result: await runParallel(state, visit, runChain), next: state.next, effects: state };
    case 'Map':
      return { result: await runMap(state, visit, runChain), next: state.next, effects: state };
    case 'Choice':
      return choose(state, visit);
    case 'Wait':
      await wait(state, visit);
      return { result: undefined, next: state.next, effects: state };
    case 'Pass':
      return { result: undefined, next: state.next, effects: state };
    case 'Succeed':
      return { result: undefined, next: undefined, effects: state };
    case 'Fail':
      return fail(state, visit);
  }
}

/** The first rule whose condition is true; its Assign and Output count, or the state's own where Default is taken. */
async function choose(state: ChoiceState, visit: Visit): Promise<Done> {
  for (const rule of state.choices) {
    const met = await evaluate(rule.condition, scopeOf(visit));
    if (typeof met !== 'boolean') throw wrongValue(`a Condition of ${state.name}`, 'true or false', met);
    if (met) return { result: undefined, next: rule.next, effects: rule };
  }
  if (state.default === undefined)
    throw new StatesError('States.NoChoiceMatched', `no rule of ${state.name} matched and it has no Default`);
  return { result: undefined, next: state.default, effects: state };
}

async function wait(state: WaitState, visit: Visit): Promise<void> {
  const { clock } = visit.frame.run.world;
  if (state.seconds !== undefined) {
    const bounds = { min: 0, max: SECONDS_MAX, whole: true };
    const seconds = await renderNumber(state.seconds, scopeOf(visit), 'Seconds', bounds);
    await clock.sleep(seconds * 1000, visit.frame.signal);
  }
  if (state.timestamp !== undefined) {
    const text = await renderString(state.timestamp, scopeOf(visit), 'Timestamp');
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text)) throw wrongValue('Timestamp', 'a time in RFC 3339', text);
    const at = Date.parse(text);
    if (Number.isNaN(at)) throw wrongValue('Timestamp', 'a time in RFC 3339', text);
    await clock.sleep(Math.max(0, at - clock.now()), visit.frame.signal);
  }
}

async function fail(state: FailState, visit: Visit): Promise<never> {
  const error = await renderString(state.error, scopeOf(visit), 'Error');
  const cause = state.cause === undefined ? '' : await renderString(state.cause, scopeOf(visit), 'Cause');
  throw new StatesError(error, cause);
}
