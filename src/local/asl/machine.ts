import type { Json } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { machineOfExecution } from './arn.ts';
import { StatesError } from './errors.ts';
import { runExecution } from './execution.ts';
import { toJson } from './json.ts';
import { parseMachine } from './parse.ts';
import { runChain } from './states.ts';
import { type Branch, branchOf } from './stop.ts';
import type { Execution, World } from './world.ts';

/**
 * Runs a state machine to its end and answers its output. Rejects with ConfigInvalid before anything has run if the definition
 * holds what this interpreter does not know; with StatesError when the execution fails or exceeds its TimeoutSeconds; with
 * ExecutionAborted when `execution.signal` stops it (a function that runs at that moment is not waited for).
 */
export async function runMachine(definition: unknown, input: Json, world: World, execution: Execution): Promise<Json> {
  const machine = parseMachine(definition);
  using outside = outsideOf(execution);
  using branch = branchOf(outside.signal);
  const cancel = startTimeout(machine.timeoutSeconds, world, branch.stop);
  const stateMachine = stateMachineOf(execution.id);
  try {
    const around = { world, execution, outside: outside.signal, signal: branch.signal, stateMachine };
    return await runExecution(machine.chain, toJson(input), around, runChain);
  } finally {
    cancel();
  }
}

/** The caller's signal, with our own error as its reason. */
function outsideOf({ signal, name }: Execution): Branch {
  const outside = branchOf(new AbortController().signal);
  const stop = () => outside.stop(new LifeboatError('ExecutionAborted', `execution ${name} was stopped`, { cause: signal?.reason }));
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  return { ...outside, [Symbol.dispose]: () => signal?.removeEventListener('abort', stop) };
}

function startTimeout(seconds: number | undefined, world: World, stop: (reason: Error) => void): () => void {
  if (seconds === undefined) return () => undefined;
  const cause = `the execution exceeded its ${seconds} seconds`;
  return world.clock.after(seconds * 1000, () => stop(new StatesError('States.Timeout', cause, 'TIMED_OUT')));
}

function stateMachineOf(executionArn: string): { readonly Id: string; readonly Name: string } | undefined {
  const found = machineOfExecution(executionArn);
  return found === undefined ? undefined : { Id: `${found.place}:stateMachine:${found.machine}`, Name: found.machine };
}
