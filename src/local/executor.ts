import { errorOf, failureOf, failureOfCaught } from '../backup/failures.ts';
import type { Report } from '../backup/progress.ts';
import type { Json } from '../backup/types.ts';
import { tidy } from '../drill/janitor.ts';
import type { DrillRecord } from '../drill/record.ts';
import type { Environment } from '../environment/environment.ts';
import { openWorld } from '../environment/world.ts';
import { LifeboatError } from '../errors.ts';
import type { Target } from '../sources/contract.ts';
import type { Clock } from './asl/clock.ts';
import { type Ended, type MachineName, openMachines } from './machines.ts';
import { openPool, type Pool, type PoolOptions } from './pool.ts';

export interface Succeeded {
  readonly execution: string;
  readonly output: Json;
}

type Input = { readonly source: string } & { readonly [key: string]: Json };

/** Time that cleaning up after an interrupt may take, in milliseconds. */
const TIDY_MS = 60_000;

export interface ExecuteOptions {
  readonly report: Report;
  readonly signal: AbortSignal;
  /** The rest is for tests of faults, which give functions little time, wait less, and stand between the machines and the functions. */
  readonly limits?: Pick<PoolOptions, 'timeoutOf' | 'handBackAfter'>;
  readonly clock?: Clock;
  readonly onPool?: (pool: Pool) => Pick<Pool, 'invoke'>;
}

/**
 * Runs one execution in processes of its own. When it is interrupted, its processes are killed first, and then what they held is
 * given back: the lease, the scratch target.
 */
export const execute = async (environment: Environment, machine: MachineName, input: Input, run: ExecuteOptions): Promise<Ended> => {
  const { runtime } = await openWorld(environment, run.report);
  const pool = await openPool({ environment, report: run.report, ...run.limits });
  const machines = openMachines({
    environment: environment.name,
    control: runtime.control,
    pool: run.onPool?.(pool) ?? pool,
    report: run.report,
    ...(run.clock === undefined ? {} : { clock: run.clock }),
  });
  const ended = await machines.run(machine, input, run.signal).finally(() => pool.close());
  // A drill may have passed and still have left its scratch target behind.
  if (ended.outcome.status !== 'SUCCEEDED' || machine === 'drill') await cleanUp(environment, input.source, run.report);
  return ended;
};

/** What the janitor does on AWS when an execution ended badly. Why it ended matters more than what cleaning up met. */
const cleanUp = async (environment: Environment, source: string, report: Report): Promise<void> => {
  const signal = AbortSignal.timeout(TIDY_MS);
  const end = Date.now() + TIDY_MS;
  const budget = { remaining: () => end - Date.now(), signal };
  try {
    const world = await openWorld(environment, report);
    const openTarget = (record: DrillRecord): Promise<Target> => world.openTarget({ source, target: null, drill: record.drill }, record);
    await tidy(world.runtime, { source, openTarget, settled: true }, budget);
  } catch (error) {
    const { code, message } = failureOf('', error);
    report({ type: 'warning', message: `cleaning up failed, the next command tries again: ${code}: ${message}` });
  }
};

/** The output of an execution that succeeded; else fails with the error that its machine ended with. */
export const succeeded = ({ execution, outcome }: Ended): Succeeded => {
  if (outcome.status === 'SUCCEEDED') return { execution, output: outcome.output };
  if (outcome.status === 'ABORTED')
    throw new LifeboatError('Interrupted', 'interrupted', { hint: 'Nothing that was good is lost; run it again.' });
  throw errorOf(failureOfCaught({ Error: outcome.error, Cause: outcome.cause }));
};
