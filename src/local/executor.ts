import { failureOf } from '../backup/failures.ts';
import type { Report } from '../backup/progress.ts';
import { tidy } from '../drill/janitor.ts';
import type { DrillRecord } from '../drill/record.ts';
import type { Environment } from '../environment/environment.ts';
import type { MachineName } from '../environment/names.ts';
import { openWorld } from '../environment/world.ts';
import type { Ended, MachineInput } from '../machines/ended.ts';
import type { Target } from '../sources/contract.ts';
import type { Clock } from './asl/clock.ts';
import { openMachines } from './machines.ts';
import { openPool, type Pool, type PoolOptions } from './pool.ts';

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
export const execute = async (environment: Environment, machine: MachineName, input: MachineInput, run: ExecuteOptions): Promise<Ended> => {
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
    const expire = environment.sources[source] === undefined ? undefined : (await world.openSource(source)).tidy;
    await tidy(world.runtime, { source, openTarget, settled: true, ...(expire === undefined ? {} : { expire }) }, budget);
  } catch (error) {
    const { code, message } = failureOf('', error);
    report({ type: 'warning', message: `cleaning up failed, the next command tries again: ${code}: ${message}` });
  }
};
