import type { Json } from '../../backup/types.ts';
import type { Clock } from './clock.ts';
import { StatesError } from './errors.ts';
import { HISTORY_MAX_EVENTS } from './limits.ts';

/** The names are those of Step Functions; there are as many events as there. */
export type EventType =
  | `Execution${'Started' | 'Succeeded' | 'Failed' | 'TimedOut' | 'Aborted'}`
  | `${'Task' | 'Map' | 'Parallel' | 'Choice' | 'Wait' | 'Pass' | 'Succeed' | 'Fail'}State${'Entered' | 'Exited'}`
  | `${'Map' | 'Parallel'}State${'Started' | 'Succeeded' | 'Failed'}`
  | `MapIteration${'Started' | 'Succeeded' | 'Failed'}`
  | `MapRun${'Started' | 'Succeeded' | 'Failed'}`
  | `Task${'Scheduled' | 'Submitted' | 'Started' | 'Succeeded' | 'Failed' | 'TimedOut'}`
  | 'EvaluationFailed';

export interface HistoryEvent {
  /** Of the execution; children of a distributed Map are executions of their own. */
  readonly execution: string;
  /** Counts from 1. */
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly type: EventType;
  readonly details: EventDetails;
}

export interface EventDetails {
  readonly state?: string;
  readonly input?: Json;
  readonly output?: Json;
  readonly error?: string;
  readonly cause?: string;
  /** Of an item of a Map. */
  readonly index?: number;
  /** Items of a Map, as far as it knows. */
  readonly items?: number;
  /** How often the state was tried before. */
  readonly retry?: number;
  /** Function, machine or Map run that the event is about. */
  readonly resource?: string;
}

export interface History {
  /** Fails with States.Runtime once the history is full; a full one takes only the event that ends it. */
  record(type: EventType, details?: EventDetails): void;
  end(type: EventType, details?: EventDetails): void;
}

export function openHistory(execution: string, clock: Clock, onEvent: (event: HistoryEvent) => void): History {
  let count = 0;
  const add = (type: EventType, details: EventDetails) => {
    count += 1;
    onEvent({ execution, id: count, at: clock.now(), type, details });
  };
  return {
    record(type, details = {}) {
      if (count >= HISTORY_MAX_EVENTS - 1) {
        throw new StatesError('States.Runtime', `The execution reached the maximum number of history events (${HISTORY_MAX_EVENTS}).`);
      }
      add(type, details);
    },
    end: (type, details = {}) => add(type, details),
  };
}
