import { isLifeboatError } from '../../errors.ts';

/** An error as a state machine sees it: `error` is what ErrorEquals matches, `causeText` is the Cause (often JSON). */
export class StatesError extends Error {
  readonly error: string;
  readonly causeText: string;
  /** TIMED_OUT only for the machine's own TimeoutSeconds; a task that runs out of time fails. */
  readonly status: 'FAILED' | 'TIMED_OUT';

  constructor(error: string, causeText = '', status: 'FAILED' | 'TIMED_OUT' = 'FAILED') {
    super(causeText === '' ? error : `${error}: ${causeText}`);
    this.name = error;
    this.error = error;
    this.causeText = causeText;
    this.status = status;
  }
}

/** How an execution ended that did not succeed. Anything else that is thrown is a fault of the program, not of the machine. */
export interface Failure {
  readonly status: 'FAILED' | 'TIMED_OUT' | 'ABORTED';
  readonly error: string;
  readonly cause: string;
}

export function failureOf(error: unknown): Failure | undefined {
  if (error instanceof StatesError) return { status: error.status, error: error.error, cause: error.causeText };
  if (isLifeboatError(error, 'ExecutionAborted')) return { status: 'ABORTED', error: error.code, cause: error.message };
  return undefined;
}

/**
 * Whether ErrorEquals names this error. States.Runtime ends every execution; States.DataLimitExceeded is caught by its own
 * name alone; States.TaskFailed stands for all others but States.Timeout.
 */
export function matchesError(errorEquals: readonly string[], error: string): boolean {
  if (error === 'States.Runtime') return false;
  if (errorEquals.includes(error)) return true;
  if (error === 'States.DataLimitExceeded') return false;
  if (errorEquals.includes('States.ALL')) return true;
  return errorEquals.includes('States.TaskFailed') && error !== 'States.Timeout';
}

/**
 * What Step Functions reports of a function that failed: errorType (the `name` of what the handler threw) and, as Cause,
 * the JSON that Lambda returns. Without a name it is Lambda.Unknown.
 */
export function lambdaFailure(thrown: unknown): StatesError {
  if (thrown instanceof StatesError) return thrown;
  if (isLifeboatError(thrown, 'FunctionKilled')) return functionKilled(thrown.message);
  if (!(thrown instanceof Error) || thrown.name === '') return functionKilled(String(thrown));
  const trace = (thrown.stack ?? '').split('\n');
  return new StatesError(thrown.name, JSON.stringify({ errorType: thrown.name, errorMessage: thrown.message, trace }));
}

/** A function whose process ended before it answered (killed, out of memory): AWS has no error type for it. */
export function functionKilled(message: string): StatesError {
  const payload = JSON.stringify({ errorMessage: message });
  return new StatesError(
    'Lambda.Unknown',
    `The cause could not be determined because Lambda did not return an error type. Returned payload: ${payload}`,
  );
}

/** A function that ran into its own time limit. */
export function functionTimedOut(seconds: number): StatesError {
  const errorMessage = `Task timed out after ${seconds.toFixed(2)} seconds`;
  return new StatesError('Sandbox.Timedout', JSON.stringify({ errorType: 'Sandbox.Timedout', errorMessage }));
}
