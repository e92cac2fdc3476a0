import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { readAll } from '../backup/objects.ts';
import type { Progress, Report } from '../backup/progress.ts';
import type { Json } from '../backup/types.ts';
import { beginExecution, endExecution, type LogLine, localExecutionArn, writeLog } from '../environment/executions.ts';
import { MACHINES, type MachineName } from '../environment/names.ts';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { Ended, MachineInput } from '../machines/ended.ts';
import type { Store } from '../stores/store.ts';
import { type Clock, realClock } from './asl/clock.ts';
import { failureOf } from './asl/errors.ts';
import type { HistoryEvent } from './asl/history.ts';
import { runMachine } from './asl/machine.ts';
import type { NestedExecution, World } from './asl/world.ts';
import type { Pool } from './pool.ts';

export interface MachinesOptions {
  readonly environment: string;
  readonly control: Store;
  readonly pool: Pick<Pool, 'invoke'>;
  readonly report: Report;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export interface Machines {
  /** Runs a machine of state-machines/ to its end, whatever the end is. */
  run(machine: MachineName, input: MachineInput, signal: AbortSignal): Promise<Ended>;
}

/** The same files that are deployed, over functions in processes of this machine. */
export const openMachines = (options: MachinesOptions): Machines => {
  const { environment, control, pool, report } = options;
  const clock = options.clock ?? realClock;
  const random = options.random ?? Math.random;

  const start = async (machine: MachineName, input: Json, signal: AbortSignal): Promise<Ended & NestedExecution> => {
    const startDate = clock.now();
    const name = `${new Date(startDate).toISOString().replace(/[-:]|\.\d+/g, '')}-${randomUUID().slice(0, 8)}`;
    const arn = localExecutionArn(`${environment}-${machine}`, name);
    await beginExecution(control, arn, machine, input, new Date(startDate));
    const lines: LogLine[] = [];
    const world = worldOf(machine, arn, lines, (nested, nestedInput, nestedSignal) => start(nested, nestedInput, nestedSignal));
    const outcome = await ending(
      runMachine(await definitionOf(machine), input, world, { id: arn, name, startTime: new Date(startDate).toISOString(), signal }),
    );
    const stopDate = clock.now();
    await writeDown(arn, outcome, stopDate, lines);
    return { execution: arn, outcome, executionArn: arn, name, startDate, stopDate, ...outcome };
  };

  /** How it ended counts, also where that cannot be written. */
  const writeDown = async (arn: string, outcome: Ended['outcome'], stopDate: number, lines: readonly LogLine[]): Promise<void> => {
    const output = outcome.status === 'SUCCEEDED' ? outcome.output : { error: outcome.error, cause: outcome.cause };
    const status = outcome.status === 'TIMED_OUT' ? 'FAILED' : outcome.status;
    try {
      await endExecution(control, arn, { status, endedAt: new Date(stopDate).toISOString(), output });
      await writeLog(control, arn, lines);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      report({ type: 'warning', message: `the end of execution ${arn} could not be written down: ${why}` });
    }
  };

  const worldOf = (machine: MachineName, arn: string, lines: LogLine[], startNested: typeof start): World => ({
    invoke: (step, payload) => pool.invoke(step, payload),
    startExecution: (machineArn, input, _name, signal) => startNested(machineNamed(machineArn), input, signal),
    readObject: (bucket, key) => readWhole(control, bucket, key),
    writeObject: async (bucket, key, bytes) => {
      await control.create(keyIn(control, bucket, key), bytes);
    },
    clock,
    random,
    onEvent: (event) => {
      const line = lineOf(event);
      if (line !== undefined && lines.length < LOG_LINES_MAX) lines.push(line);
      const progress = progressOf(machine, arn, event);
      if (progress !== undefined) report(progress);
    },
  });

  return { run: (machine, input, signal) => start(machine, input, signal) };
};

const machineNamed = (name: string): MachineName => {
  const found = MACHINES.find((machine) => machine === name);
  if (found === undefined) throw new LifeboatError('Unsupported', `there is no state machine called ${name}`);
  return found;
};

/** `${DumpTask}` is the function's ARN on AWS, and here the file's name: dump-task. */
export const definitionOf = async (machine: MachineName): Promise<unknown> => {
  const text = await readFile(new URL(`../../state-machines/${machine}.asl.json`, import.meta.url), 'utf8');
  return parseJson(
    text.replace(/\$\{(\w+)\}/g, (_, name: string) => {
      if (name === 'Source') return '';
      if (name === 'RestoreMachine') return 'restore';
      return name.replace(/(?<!^)([A-Z])/g, '-$1').toLowerCase();
    }),
  );
};

async function* readWhole(control: Store, bucket: string, key: string): AsyncGenerator<Uint8Array> {
  const bytes = await readAll(control, keyIn(control, bucket, key));
  if (bytes === undefined) throw new LifeboatError('NoSuchObject', `there is no ${key} in ${bucket}`);
  yield bytes;
}

/** A Map names its objects as S3 does; all of them lie in the control area. */
const keyIn = (control: Store, bucket: string, key: string): string => {
  if (bucket !== control.bucket || !key.startsWith(control.prefix))
    throw new LifeboatError('StoreKeyInvalid', `${key} in ${bucket} does not lie in the control area ${control.url}`);
  return key.slice(control.prefix.length);
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

/** A backup of ten thousand tasks has more events than anybody reads. */
const LOG_LINES_MAX = 20_000;

/** What happened, without the data: payloads may be large. */
const lineOf = ({ at, type, details }: HistoryEvent): LogLine | undefined => {
  const failed = type.endsWith('Failed') || type.endsWith('TimedOut') || type.endsWith('Aborted');
  if (!failed && !type.endsWith('StateEntered') && !type.startsWith('Execution') && !type.startsWith('MapRun')) return undefined;
  const why = details.error === undefined ? '' : ` ${details.error}: ${details.cause ?? ''}`;
  return { at: new Date(at).toISOString(), text: `${type}${details.state === undefined ? '' : ` ${details.state}`}${why}` };
};

/** States that stand for work; a choice or a pass is over before anybody reads its name. Children of a Map tell of themselves. */
const WORK = new Set(['TaskStateEntered', 'MapStateEntered', 'ParallelStateEntered']);

const progressOf = (machine: string, main: string, { execution, type, details }: HistoryEvent): Progress | undefined =>
  execution === main && WORK.has(type) && details.state !== undefined ? { type: 'state', machine, state: details.state } : undefined;
