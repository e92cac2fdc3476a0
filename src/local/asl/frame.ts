import type { Json } from '../../backup/types.ts';
import type { Scope, Variables } from './expression.ts';
import type { History } from './history.ts';
import type { Chain, State } from './types.ts';
import type { Execution, World } from './world.ts';

/** One execution: the one that was started, or a child of a distributed Map. */
export interface Run {
  readonly world: World;
  readonly history: History;
  readonly execution: Execution;
  /** `Execution` and `StateMachine` of the context object. */
  readonly context: Readonly<Record<string, Json>>;
  /** Aborted when somebody outside stops everything; never when a branch is abandoned. */
  readonly outside: AbortSignal;
}

/** Where in an execution: the scope of a machine, a branch or an item. */
export interface Frame {
  readonly run: Run;
  /** Stops this branch: no further state is entered. */
  readonly signal: AbortSignal;
  readonly variables: Variables;
  /** `Map` of the context object, within the items of an inline Map. */
  readonly item: Json | undefined;
}

/** Runs the states of a scope to their end; passed down, as Map and Parallel hold scopes themselves. */
export type RunChain = (chain: Chain, input: Json, frame: Frame) => Promise<Json>;

/** A state that is being run: its input and how often it was tried before. */
export interface Visit {
  readonly frame: Frame;
  readonly input: Json;
  readonly context: Readonly<Record<string, Json>>;
}

export function visitOf(state: State, input: Json, enteredTime: string, retries: number, frame: Frame): Visit {
  const context = {
    ...frame.run.context,
    State: { Name: state.name, EnteredTime: enteredTime, RetryCount: retries },
    ...(frame.item === undefined ? {} : { Map: frame.item }),
  };
  return { frame, input, context };
}

/** What the state's expressions see; `more` is the result or the error, where there is one. */
export function scopeOf(visit: Visit, more: { readonly result?: Json; readonly errorOutput?: Json; readonly context?: Json } = {}): Scope {
  const { clock, random } = visit.frame.run.world;
  return {
    variables: visit.frame.variables,
    states: { input: visit.input, context: visit.context, ...more },
    tools: { now: () => clock.now(), random },
  };
}
