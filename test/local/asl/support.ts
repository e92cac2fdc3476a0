import type { Json } from '../../../src/backup/types.ts';
import { StatesError } from '../../../src/local/asl/errors.ts';
import type { HistoryEvent } from '../../../src/local/asl/history.ts';
import { runMachine } from '../../../src/local/asl/machine.ts';
import type { Call, Execution, NestedExecution, World } from '../../../src/local/asl/world.ts';
import { type VirtualClock, virtualClock } from '../../support/virtual-clock.ts';

/** A world in memory on a virtual clock. Functions are given by name. */
export interface TestWorld extends World {
  readonly clock: VirtualClock;
  readonly events: HistoryEvent[];
  readonly objects: Map<string, string>;
  readonly calls: { readonly name: string; readonly payload: Json; readonly call: Call; readonly at: number }[];
}

export type Handler = (payload: Json, call: Call) => Promise<Json> | Json;

export interface Parts {
  readonly functions?: Readonly<Record<string, Handler>>;
  readonly startExecution?: World['startExecution'];
  readonly random?: () => number;
  readonly writeObject?: World['writeObject'];
}

export function testWorld(parts: Parts = {}): TestWorld {
  const clock = virtualClock('2026-11-21T01:30:00Z');
  const start = clock.now();
  const events: HistoryEvent[] = [];
  const objects = new Map<string, string>();
  const calls: TestWorld['calls'] = [];
  return {
    clock,
    events,
    objects,
    calls,
    async invoke(name, payload, call) {
      calls.push({ name, payload, call, at: clock.now() - start });
      const handler = parts.functions?.[name];
      if (handler === undefined) throw new Error(`no function ${name}`);
      return handler(payload, call);
    },
    startExecution: parts.startExecution ?? (() => Promise.reject(new Error('no machines here'))),
    async *readObject(bucket, key) {
      const text = objects.get(`${bucket}/${key}`);
      if (text === undefined) throw new Error(`no object ${key}`);
      // In small pieces, which cut characters and lines anywhere.
      const bytes = Buffer.from(text);
      for (let n = 0; n < bytes.length; n += 7) yield bytes.subarray(n, n + 7);
    },
    writeObject:
      parts.writeObject ??
      (async (bucket, key, bytes) => {
        objects.set(`${bucket}/${key}`, Buffer.from(bytes).toString());
      }),
    random: parts.random ?? seededRandom(1),
    onEvent: (event) => events.push(event),
  };
}

function seededRandom(start: number): () => number {
  let seed = start;
  return () => {
    seed = (seed * 16807) % 2147483647;
    return seed / 2147483647;
  };
}

export const EXECUTION: Execution = {
  id: 'arn:aws:states:local:000000000000:execution:backup:run-1',
  name: 'run-1',
  startTime: '2026-11-21T01:30:00.000Z',
};

/** A machine of these states; the first one is the start. */
export function machineOf(states: Readonly<Record<string, unknown>>, more: Readonly<Record<string, unknown>> = {}): unknown {
  return { QueryLanguage: 'JSONata', StartAt: Object.keys(states)[0], States: states, ...more };
}

export const run = (states: Readonly<Record<string, unknown>>, input: Json = {}, world: TestWorld = testWorld()): Promise<Json> =>
  runMachine(machineOf(states), input, world, EXECUTION);

/** The error that the machine ends with; a machine that succeeds fails the test. */
export async function failure(
  outcome: Promise<Json>,
): Promise<{ readonly error: string; readonly cause: string; readonly status: string }> {
  try {
    const output = await outcome;
    throw new Error(`the machine succeeded with ${JSON.stringify(output)}`);
  } catch (error) {
    if (error instanceof StatesError) return { error: error.error, cause: error.causeText, status: error.status };
    throw error;
  }
}

/** A machine of one state that answers the expression. */
export const answer = (expression: unknown, input: Json = {}, world: TestWorld = testWorld()): Promise<Json> =>
  run({ Only: { Type: 'Pass', Output: expression, End: true } }, input, world);

export const lambda = (name: string, payload: unknown, more: Readonly<Record<string, unknown>> = { End: true }) => ({
  Type: 'Task',
  Resource: 'arn:aws:states:::lambda:invoke',
  Arguments: { FunctionName: name, Payload: payload },
  ...more,
});

/** An error that Lambda would report by this name. */
export function named(name: string, message = 'it failed'): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}

export const ended = (executionArn: string, output: Json): NestedExecution => ({
  executionArn,
  name: 'nested',
  startDate: 1000,
  stopDate: 2000,
  status: 'SUCCEEDED',
  output,
});

/** States entered, in order, of all executions. */
export const entered = (world: TestWorld): string[] =>
  world.events.filter((event) => event.type.endsWith('StateEntered')).map((event) => event.details.state ?? '');

export const types = (world: TestWorld): string[] => world.events.map((event) => event.type);
