import type { Json } from '../../backup/types.ts';
import type { Clock } from './clock.ts';
import type { HistoryEvent } from './history.ts';

/** Everything that a machine touches, passed in: the same interpreter runs for people and in simulations. */
export interface World {
  /**
   * Runs a function. A rejection becomes an error of the task: its `name` is the error name, as Lambda reports errorType.
   * Use functionKilled and functionTimedOut of errors.ts for a function that did not answer.
   */
  invoke(functionName: string, payload: Json, call: Call): Promise<Json>;
  /** Runs another machine to its end, whatever the end is; rejects only if it could not be started. Stops it when the signal says so. */
  startExecution(stateMachineArn: string, input: Json, name: string | undefined, signal: AbortSignal): Promise<NestedExecution>;
  readObject(bucket: string, key: string): AsyncIterable<Uint8Array>;
  writeObject(bucket: string, key: string, bytes: Uint8Array): Promise<void>;
  readonly clock: Clock;
  /** From 0 up to but not including 1. */
  random(): number;
  onEvent(event: HistoryEvent): void;
}

export interface Call {
  /** TimeoutSeconds of the task in milliseconds: after that nobody waits for the answer. */
  readonly timeoutMs: number | undefined;
  /** Aborted only when the whole execution is stopped from outside; an abandoned or late function is not told, as on AWS. */
  readonly signal: AbortSignal;
  /** The context object, as `$states.context`. */
  readonly context: Json;
}

export interface Execution {
  /** ARN; the machine's name and ARN are derived from it when it has the form of one. */
  readonly id: string;
  readonly name: string;
  /** ISO 8601. */
  readonly startTime: string;
  /** Stops the execution: no further state is entered and nothing catches it. */
  readonly signal?: AbortSignal | undefined;
}

export type NestedExecution = {
  readonly executionArn: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly startDate: number;
  readonly stopDate: number;
} & (
  | { readonly status: 'SUCCEEDED'; readonly output: Json }
  | { readonly status: 'FAILED' | 'TIMED_OUT' | 'ABORTED'; readonly error: string; readonly cause: string }
);
