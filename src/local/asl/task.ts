import type { Json } from '../../backup/types.ts';
import { lambdaFailure, StatesError } from './errors.ts';
import { SECONDS } from './fields.ts';
import { type Frame, scopeOf, type Visit } from './frame.ts';
import { isRecord, toJson } from './json.ts';
import { withinPayload } from './limits.ts';
import { Abandoned, branchOf, unlessStopped, withinSeconds } from './stop.ts';
import { render, renderNumber, renderString } from './template.ts';
import type { TaskState } from './types.ts';
import type { NestedExecution } from './world.ts';

/** An evaluated task, ready to be started. */
interface Job {
  readonly resource: string;
  readonly arguments: Json;
  /** The signal says that nobody waits any more; only nested executions heed it, as on AWS. */
  start(signal: AbortSignal): Promise<Json>;
}

/** One attempt of a Task. Fails with the error of what it called, or States.Timeout. */
export async function runTask(state: TaskState, visit: Visit): Promise<Json> {
  const scope = scopeOf(visit);
  const seconds =
    state.timeoutSeconds === undefined ? undefined : await renderNumber(state.timeoutSeconds, scope, 'TimeoutSeconds', SECONDS);
  const job = state.call.resource === 'lambda' ? await lambdaJob(state.call, visit, seconds) : await executionJob(state.call, visit);
  withinPayload(job.arguments, `the arguments of ${state.name}`);
  return watched(job, state.name, seconds, visit.frame);
}

/** Starts the job, records how it goes, and stops waiting when time is up or the branch is stopped. */
async function watched(job: Job, name: string, seconds: number | undefined, frame: Frame): Promise<Json> {
  const { history, world } = frame.run;
  const details = { state: name, resource: job.resource };
  history.record('TaskScheduled', { ...details, input: job.arguments });
  history.record('TaskStarted', details);
  using branch = branchOf(frame.signal);
  const late = () => new StatesError('States.Timeout');
  try {
    const result = await withinSeconds(world.clock, seconds, unlessStopped(job.start(branch.signal), frame.signal), late);
    withinPayload(result, `the result of ${name}`);
    history.record('TaskSucceeded', { ...details, output: result });
    return result;
  } catch (error) {
    branch.stop(new Abandoned(`${name} has ended`));
    frame.signal.throwIfAborted();
    if (error instanceof StatesError) {
      const type = error.error === 'States.Timeout' ? 'TaskTimedOut' : 'TaskFailed';
      history.record(type, { ...details, error: error.error, cause: error.causeText });
    }
    throw error;
  }
}

async function lambdaJob(
  call: Extract<TaskState['call'], { resource: 'lambda' }>,
  visit: Visit,
  seconds: number | undefined,
): Promise<Job> {
  const scope = scopeOf(visit);
  const { world, outside } = visit.frame.run;
  const functionName = await renderString(call.functionName, scope, 'FunctionName');
  const payload = call.payload === undefined ? {} : await render(call.payload, scope);
  const timeoutMs = seconds === undefined ? undefined : seconds * 1000;
  return {
    resource: functionName,
    arguments: { FunctionName: functionName, Payload: payload },
    async start() {
      const answer = await settled(() => world.invoke(functionName, payload, { timeoutMs, signal: outside, context: visit.context }));
      return { StatusCode: 200, ExecutedVersion: '$LATEST', Payload: answer };
    },
  };
}

/** A handler that answers nothing has answered null. */
async function settled(invoke: () => Promise<Json>): Promise<Json> {
  try {
    const answer: unknown = await invoke();
    return answer === undefined ? null : toJson(answer);
  } catch (error) {
    throw lambdaFailure(error);
  }
}

async function executionJob(call: Extract<TaskState['call'], { resource: 'execution' }>, visit: Visit): Promise<Job> {
  const scope = scopeOf(visit);
  const { world } = visit.frame.run;
  const arn = await renderString(call.stateMachineArn, scope, 'StateMachineArn');
  const input = call.input === undefined ? {} : await render(call.input, scope);
  if (!isRecord(input)) throw new StatesError('States.Runtime', 'the Input of a nested execution must be an object');
  const name = call.name === undefined ? undefined : await renderString(call.name, scope, 'Name');
  return {
    resource: arn,
    arguments: { StateMachineArn: arn, Input: input, ...(name === undefined ? {} : { Name: name }) },
    start: async (signal) => resultOf(await started(() => world.startExecution(arn, input, name, signal)), arn, input),
  };
}

async function started(start: () => Promise<NestedExecution>): Promise<NestedExecution> {
  try {
    return await start();
  } catch (error) {
    if (error instanceof StatesError || !(error instanceof Error)) throw error;
    throw new StatesError(`StepFunctions.${error.name}`, error.message);
  }
}

/** A nested failure is States.TaskFailed; its Cause is the description of the execution, in which input is a string. */
function resultOf(nested: NestedExecution, arn: string, input: Json): Json {
  const about = {
    ExecutionArn: nested.executionArn,
    Name: nested.name,
    StateMachineArn: arn,
    StartDate: nested.startDate,
    StopDate: nested.stopDate,
    Status: nested.status,
    InputDetails: { Included: true },
    RedriveCount: 0,
  };
  if (nested.status === 'SUCCEEDED') return { ...about, Input: input, Output: toJson(nested.output), OutputDetails: { Included: true } };
  const cause = { ...about, Error: nested.error, Cause: nested.cause, Input: JSON.stringify(input) };
  throw new StatesError('States.TaskFailed', JSON.stringify(cause));
}
