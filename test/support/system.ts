import { AsyncLocalStorage } from 'node:async_hooks';
import { readdirSync } from 'node:fs';
import { z } from 'zod';
import type { Handler } from '../../functions/step.ts';
import type { Failure } from '../../src/backup/failures.ts';
import { readJson } from '../../src/backup/objects.ts';
import type { Progress } from '../../src/backup/progress.ts';
import type { Runtime } from '../../src/backup/runtime.ts';
import type { Json } from '../../src/backup/types.ts';
import { scratchName } from '../../src/drill/record.ts';
import { useWorld } from '../../src/environment/bundled.ts';
import type { Environment, SourceEntry } from '../../src/environment/environment.ts';
import { localExecutionArn } from '../../src/environment/executions.ts';
import type { MachineName } from '../../src/environment/names.ts';
import type { World } from '../../src/environment/world.ts';
import { LifeboatError } from '../../src/errors.ts';
import { failureOf, functionTimedOut } from '../../src/local/asl/errors.ts';
import type { HistoryEvent } from '../../src/local/asl/history.ts';
import { runMachine } from '../../src/local/asl/machine.ts';
import type { World as MachineWorld, NestedExecution } from '../../src/local/asl/world.ts';
import { definitionOf } from '../../src/local/machines.ts';
import type { Ended } from '../../src/machines/ended.ts';
import type { Services } from '../../src/sources/contract.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import type { Store } from '../../src/stores/store.ts';
import { exampleContent, type FakeServer, openServer, type Session, textOf } from './fake-server.ts';
import { type Behaviour, behaviour, type FakePlace, fakeSource } from './fake-source.ts';
import { fakeTarget } from './fake-target.ts';
import { memorySpool } from './memory-spool.ts';
import { type VirtualClock, virtualClock } from './virtual-clock.ts';

/**
 * The whole of Lifeboat in one process: the state machines and the functions as they are deployed, stores in memory, a fake
 * database server, and a clock of its own, so that a backup of an hour takes milliseconds.
 */

/** One invocation of a function. Once it is dead, nothing that it does happens any more. */
export interface Invocation {
  readonly id: string;
  readonly step: string;
  readonly payload: Json;
  dead: boolean;
  kill(error: unknown): void;
}

/** A moment at which something may go wrong: an operation on a store, a point in the fake server. */
export interface Moment {
  /** `store.create`, `control.read.after`, `server.load has committed`. */
  readonly what: string;
  readonly key: string;
  /** Absent outside of functions: what the state machine itself reads and writes. */
  readonly invocation: Invocation | undefined;
}

export type Fate = 'go on' | 'kill' | LifeboatError;

export interface SystemOptions {
  readonly behaviour?: Partial<Behaviour>;
  readonly source?: Partial<SourceEntry>;
  /** Milliseconds that a function may take, by step. */
  readonly timeoutOf?: (step: string) => number | undefined;
  /** What happens at each moment of a function. */
  readonly fate?: (moment: Moment) => Fate;
  /** In place of calling a function once and waiting for its answer. */
  readonly around?: (step: string, payload: Json, call: () => Promise<Json>) => Promise<Json>;
  readonly random?: () => number;
  readonly onEvent?: (event: HistoryEvent) => void;
  /** Beneath everything: for what stores themselves do wrong. */
  readonly store?: (store: Store) => Store;
  readonly control?: (store: Store) => Store;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  /** Whether the janitor runs when the execution ends badly, as an EventBridge rule has it; true unless said. */
  readonly janitor?: boolean;
}

export interface System {
  readonly clock: VirtualClock;
  /** As tests see them: without faults. */
  readonly store: Store;
  readonly control: Store;
  readonly server: FakeServer;
  readonly behaviour: Behaviour;
  readonly runtime: Runtime;
  readonly progress: readonly Progress[];
  /** The content of each scratch database when its audit began the last time before it was damaged. */
  readonly audited: ReadonlyMap<string, string>;
  stateOf(execution: string): 'running' | 'gone' | 'unknown';
  /** Milliseconds by which the functions' clocks are wrong. */
  skew: number;
  run(machine: MachineName, input?: Readonly<Record<string, Json>>, options?: RunOptions): Promise<Ended>;
  invoke(step: string, payload: Json): Promise<Json>;
  /** What functions wrote down of their failures, of all runs. */
  failures(): Promise<readonly Failure[]>;
  /** The whole process of an execution is gone: its end is never written down. */
  crash(execution: string): void;
}

const FUNCTION_TIMEOUT_MS = 900_000;
export const SOURCE = 'sea';

const handlers = new Map<string, Handler>();
for (const file of readdirSync(new URL('../../functions/', import.meta.url))) {
  const step = file.replace(/\.ts$/, '');
  const module: { readonly handler?: Handler } = await import(`../../functions/${step}.ts`);
  if (module.handler !== undefined) handlers.set(step, module.handler);
}
const machines = new Map<string, unknown>();
for (const machine of ['backup', 'restore', 'drill'] as const) machines.set(machine, await definitionOf(machine));

export const openSystem = (options: SystemOptions = {}): System => {
  const clock = virtualClock();
  const random = options.random ?? (() => 0.5);
  const invocations = new AsyncLocalStorage<Invocation>();
  const sessions = new Map<Invocation, Set<Session>>();
  const states = new Map<string, 'running' | 'gone'>();
  const progress: Progress[] = [];
  const own = behaviour(options.behaviour);
  const audited = new Map<string, string>();
  let counted = 0;
  const nextName = (what: string): string => `${what}-${String((counted += 1)).padStart(6, '0')}`;
  const now = (): Date => new Date(clock.now() + system.skew);

  /** Nothing happens in a dead function any more: what it waits for never comes. */
  const pass = async (what: string, key = ''): Promise<void> => {
    const invocation = invocations.getStore();
    if (invocation?.dead === true) return new Promise<never>(() => {});
    const fate = invocation === undefined ? 'go on' : (options.fate?.({ what, key, invocation }) ?? 'go on');
    if (fate === 'go on') return;
    if (fate !== 'kill') throw fate;
    invocation?.kill(new LifeboatError('FunctionKilled', `function ${invocation.step} was killed at ${what} ${key}`));
    return new Promise<never>(() => {});
  };

  const store = memoryStore({ name: 'store', now });
  const control = memoryStore({ name: 'control', now });
  const bare = { store: options.store?.(store) ?? store, control: options.control?.(control) ?? control };

  const sleep = async (milliseconds: number, signal?: AbortSignal): Promise<void> => {
    await clock.sleep(milliseconds, signal);
    await pass('sleep');
  };

  const server = openServer({
    // No two attempts are equally fast.
    sleep: (milliseconds) => sleep(milliseconds * (0.5 + random())),
    at: (point) => pass(`server.${point}`),
    opened: (session) => {
      const invocation = invocations.getStore();
      if (invocation !== undefined) sessions.get(invocation)?.add(session);
    },
  });
  server.make('sea', exampleContent());
  server.make('spare');

  const placeOf = (database: string): FakePlace => ({
    server,
    database,
    behaviour: own,
    now,
    sleep: (milliseconds, signal) => sleep(milliseconds, signal),
  });
  const services: Services = { secret: async () => '', now, temporary: '/nonexistent' };
  const entry: SourceEntry = {
    kind: 'fake',
    address: {},
    concurrency: 2,
    restore: { target: 'spare' },
    drill: { scratch: 'spare' },
    ...options.source,
  };
  const environment: Environment = {
    name: 'sim',
    root: '/nonexistent',
    store: { url: store.url },
    control: { url: control.url },
    sources: { [SOURCE]: entry },
    targets: { spare: { kind: 'fake', address: {} }, sea: { kind: 'fake', address: {} } },
  };
  const runtime: Runtime = {
    store: watched(bare.store, 'store', pass),
    control: watched(bare.control, 'control', pass),
    services,
    tool: 'lifeboat 0.0.0',
    report: (line) => progress.push(line),
    openSpool: memorySpool,
    now,
    sleep,
    executionState: async (arn) => {
      await pass('executionState', arn);
      return states.get(arn) ?? 'unknown';
    },
  };
  const databaseOf = (
    record: { readonly target: string | null },
    drill?: { readonly drill: string; readonly scratch: string | null },
  ): string => {
    const name = drill === undefined ? record.target : drill.scratch;
    if (name === null || environment.targets[name] === undefined) throw new LifeboatError('TargetMissing', `no target called ${name}`);
    return drill === undefined ? name : scratchName(drill.drill);
  };
  const world: World = {
    environment,
    runtime,
    entry: (source) => {
      if (source === SOURCE) return entry;
      throw new LifeboatError('UnknownSource', `no source called ${source}`, { hint: `There is ${SOURCE}.` });
    },
    openSource: async () => fakeSource(placeOf('sea')),
    openTarget: async (record, drill) => {
      const database = databaseOf(record, drill);
      const target = fakeTarget(placeOf(database));
      return {
        ...target,
        tamper(manifest, seed, budget) {
          // A damage that is tried again has damaged before.
          if (!audited.has(database)) audited.set(database, textOf(server.database(database).content));
          return target.tamper(manifest, seed, budget);
        },
      };
    },
    describeScratch: (drill) => (drill.scratch === null ? 'none' : `fake://one/${scratchName(drill.drill)}`),
  };

  const call = (step: string, payload: Json): Promise<Json> =>
    clock.busy(async () => {
      const handler = handlers.get(step);
      if (handler === undefined) throw new Error(`there is no function ${step}`);
      const killed = Promise.withResolvers<never>();
      killed.promise.catch(() => {});
      const invocation: Invocation = {
        id: nextName('attempt'),
        step,
        payload,
        dead: false,
        kill(error) {
          invocation.dead = true;
          killed.reject(error);
        },
      };
      sessions.set(invocation, new Set());
      const total = options.timeoutOf?.(step) ?? FUNCTION_TIMEOUT_MS;
      const deadline = clock.now() + total;
      const cancel = clock.after(total, () => invocation.kill(functionTimedOut(total / 1000)));
      try {
        const work = invocations.run(invocation, async () => {
          await pass('begin');
          const answer = await handler(JSON.parse(JSON.stringify(payload)), {
            awsRequestId: invocation.id,
            getRemainingTimeInMillis: () => deadline - clock.now(),
          });
          await pass('end');
          return answer;
        });
        work.catch(() => {});
        return JSON.parse(JSON.stringify((await Promise.race([work, killed.promise])) ?? null));
      } finally {
        invocation.dead = true;
        cancel();
        for (const session of sessions.get(invocation) ?? []) session.close();
        sessions.delete(invocation);
      }
    });
  const invoke = (step: string, payload: Json): Promise<Json> =>
    options.around?.(step, payload, () => call(step, payload)) ?? call(step, payload);

  const machineWorld: MachineWorld = {
    invoke: (step, payload) => invoke(step, payload),
    startExecution: (machine, input, _name, signal) => start(machineNamed(machine), input, signal),
    readObject: (_bucket, key) => control.read(key),
    writeObject: async (_bucket, key, bytes) => {
      await control.create(key, bytes);
    },
    clock,
    random,
    onEvent: (event) => options.onEvent?.(event),
  };

  const start = async (machine: MachineName, input: Json, signal: AbortSignal): Promise<Ended & NestedExecution> => {
    const startDate = clock.now();
    const name = nextName(machine);
    const arn = localExecutionArn(`sim-${machine}`, name);
    states.set(arn, 'running');
    const execution = { id: arn, name, startTime: new Date(startDate).toISOString(), signal };
    const outcome = await ending(runMachine(machines.get(machine), input, machineWorld, execution));
    states.set(arn, 'gone');
    return { execution: arn, executionArn: arn, name, startDate, stopDate: clock.now(), outcome, ...outcome };
  };

  const system: System = {
    clock,
    store,
    control,
    server,
    behaviour: own,
    runtime,
    progress,
    audited,
    stateOf: (execution) => states.get(execution) ?? 'unknown',
    skew: 0,
    async run(machine, input = {}, { signal = new AbortController().signal, janitor = true } = {}) {
      useWorld(world);
      const ended = await start(machine, { source: SOURCE, ...input }, signal);
      if (ended.outcome.status !== 'SUCCEEDED' && janitor)
        await invoke('janitor', { source: SOURCE }).catch((error: unknown) => progress.push(warning(error)));
      return { execution: ended.execution, outcome: ended.outcome };
    },
    invoke(step, payload) {
      useWorld(world);
      return invoke(step, payload);
    },
    async failures() {
      const found: Failure[] = [];
      for await (const { key } of control.list(`${SOURCE}/runs/`))
        if (key.includes('/failures/')) found.push(z.custom<Failure>().parse(await readJson(control, key)));
      return found;
    },
    crash: (execution) => void states.set(execution, 'gone'),
  };
  return system;
};

const warning = (error: unknown): Progress => ({
  type: 'warning',
  message: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
});

const machineNamed = (name: string): MachineName => {
  if (name === 'backup' || name === 'restore' || name === 'drill') return name;
  throw new Error(`there is no machine ${name}`);
};

const ending = async (run: Promise<Json>): Promise<Ended['outcome']> => {
  try {
    return { status: 'SUCCEEDED', output: await run };
  } catch (error) {
    const failure = failureOf(error);
    if (failure === undefined) throw error;
    return failure;
  }
};

/** Passes a moment before each operation, and after each that changes something: by then it has happened. */
const watched = (store: Store, name: string, pass: (what: string, key: string) => Promise<void>): Store => ({
  url: store.url,
  bucket: store.bucket,
  prefix: store.prefix,
  async create(key, body, signal) {
    await pass(`${name}.create`, key);
    const created = await store.create(key, body, signal);
    await pass(`${name}.create.after`, key);
    return created;
  },
  async *read(key, options) {
    await pass(`${name}.read`, key);
    yield* store.read(key, options);
  },
  async head(key, options) {
    await pass(`${name}.head`, key);
    return store.head(key, options);
  },
  async *list(prefix, options) {
    await pass(`${name}.list`, prefix);
    yield* store.list(prefix, options);
  },
  async delete(key) {
    await pass(`${name}.delete`, key);
    await store.delete(key);
    await pass(`${name}.delete.after`, key);
  },
  async replace(key, body, ifMatch) {
    await pass(`${name}.replace`, key);
    const etag = await store.replace(key, body, ifMatch);
    await pass(`${name}.replace.after`, key);
    return etag;
  },
});

/** The answer of an execution; fails, with its error and why, when there is none. */
export const outputOf = ({ outcome }: Ended): Readonly<Record<string, Json>> => {
  if (outcome.status !== 'SUCCEEDED') throw new Error(`${outcome.error}: ${outcome.cause}`);
  return z.record(z.string(), z.json()).parse(outcome.output);
};
