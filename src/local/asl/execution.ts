import type { Json } from '../../backup/types.ts';
import { failureOf } from './errors.ts';
import type { RunChain } from './frame.ts';
import { openHistory } from './history.ts';
import { withinPayload } from './limits.ts';
import type { Chain } from './types.ts';
import type { Execution, World } from './world.ts';

export interface Surroundings {
  readonly world: World;
  readonly execution: Execution;
  readonly outside: AbortSignal;
  readonly signal: AbortSignal;
  readonly stateMachine: { readonly Id: string; readonly Name: string } | undefined;
}

/** Runs one execution, a machine's or a distributed child's, with a history and variables of its own. */
export async function runExecution(chain: Chain, input: Json, around: Surroundings, runChain: RunChain): Promise<Json> {
  const { world, execution, outside, signal, stateMachine } = around;
  const history = openHistory(execution.id, world.clock, (event) => world.onEvent(event));
  const context = {
    Execution: { Id: execution.id, Input: input, Name: execution.name, StartTime: execution.startTime, RedriveCount: 0 },
    ...(stateMachine === undefined ? {} : { StateMachine: stateMachine }),
  };
  try {
    history.record('ExecutionStarted', { input });
    withinPayload(input, 'the input of the execution');
    const run = { world, history, execution, context, outside };
    const output = await runChain(chain, input, { run, signal, variables: {}, item: undefined });
    history.end('ExecutionSucceeded', { output });
    return output;
  } catch (error) {
    const failure = failureOf(error) ?? { status: 'ABORTED', error: '', cause: String(error) };
    const types = { FAILED: 'ExecutionFailed', TIMED_OUT: 'ExecutionTimedOut', ABORTED: 'ExecutionAborted' } as const;
    history.end(types[failure.status], { error: failure.error, cause: failure.cause });
    throw error;
  }
}
