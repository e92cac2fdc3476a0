import type { Json } from '../../backup/types.ts';
import { failureOf, StatesError } from './errors.ts';
import { runExecution, type Surroundings } from './execution.ts';
import { type RunChain, scopeOf, type Visit } from './frame.ts';
import { uuidFrom } from './functions.ts';
import { selected } from './items.ts';
import { ITEMS_MAX } from './limits.ts';
import { type MapRun, mapRunOf } from './map-run.ts';
import { eachOf } from './pool.ts';
import { type Child, writeResults } from './results.ts';
import { Abandoned, branchOf } from './stop.ts';
import { renderNumber } from './template.ts';
import type { MapState } from './types.ts';

/** Every item is an execution of its own: own history, own context, no variables from outside. */
export async function runDistributed(
  state: MapState,
  items: readonly Json[],
  concurrency: number,
  visit: Visit,
  run: RunChain,
): Promise<Json> {
  const { history } = visit.frame.run;
  const mapRun = mapRunOf(state, visit);
  const tolerated = await toleranceOf(state, items.length, visit);
  const children: (Child | undefined)[] = items.map(() => undefined);
  history.record('MapRunStarted', { state: state.name, resource: mapRun.arn, items: items.length });
  const failure = await runChildren(children, tolerated, { state, items, concurrency, visit, mapRun, run });
  visit.frame.signal.throwIfAborted();
  const result = state.writer === undefined ? undefined : await writeResults(state.writer, mapRun, items, children, visit);
  if (failure !== undefined) {
    history.record('MapRunFailed', { state: state.name, resource: mapRun.arn, error: failure.error, cause: failure.causeText });
    throw failure;
  }
  history.record('MapRunSucceeded', { state: state.name, resource: mapRun.arn });
  return result ?? children.map((child) => (child?.status === 'SUCCEEDED' ? child.output : null));
}

/** How many children may fail: the smaller of the two thresholds; none when neither is given. */
async function toleranceOf(state: MapState, items: number, visit: Visit): Promise<number> {
  const { toleratedCount, toleratedPercentage } = state;
  const scope = scopeOf(visit);
  if (toleratedCount === undefined && toleratedPercentage === undefined) return 0;
  const bounds = { min: 0, max: ITEMS_MAX, whole: true };
  const count = toleratedCount === undefined ? Infinity : await renderNumber(toleratedCount, scope, 'ToleratedFailureCount', bounds);
  const share = { min: 0, max: 100, whole: false };
  const percentage =
    toleratedPercentage === undefined ? 100 : await renderNumber(toleratedPercentage, scope, 'ToleratedFailurePercentage', share);
  return Math.min(count, (percentage / 100) * items);
}

interface Batch {
  readonly state: MapState;
  readonly items: readonly Json[];
  readonly concurrency: number;
  readonly visit: Visit;
  readonly mapRun: MapRun;
  readonly run: RunChain;
}

/** Fills `children`; answers the error once more have failed than are tolerated, and stops the others then. */
async function runChildren(children: (Child | undefined)[], tolerated: number, batch: Batch): Promise<StatesError | undefined> {
  using inner = branchOf(batch.visit.frame.signal);
  const exceeded = new StatesError('States.ExceedToleratedFailureThreshold', 'The specified tolerated failure threshold was exceeded');
  let failed = 0;
  try {
    await eachOf(batch.items.length, batch.concurrency, async (index) => {
      const child = await runChild(index, batch, inner.signal);
      children[index] = child;
      if (child.status !== 'SUCCEEDED') failed += 1;
      if (failed > tolerated) throw exceeded;
    });
    return undefined;
  } catch (error) {
    inner.stop(new Abandoned(`${batch.state.name} has failed`));
    if (error === exceeded) return exceeded;
    throw error;
  }
}

async function runChild(index: number, batch: Batch, signal: AbortSignal): Promise<Child> {
  const { state, items, visit, mapRun } = batch;
  const { world, outside } = visit.frame.run;
  const { input } = await selected(state, index, items[index] ?? null, visit);
  signal.throwIfAborted();
  const name = uuidFrom(world.random);
  const startDate = new Date(world.clock.now()).toISOString();
  const execution = { id: `${mapRun.executionPrefix}:${name}`, name, startTime: startDate };
  const around: Surroundings = { world, execution, outside, signal, stateMachine: mapRun.stateMachine };
  const about = () => ({ index, name, arn: execution.id, input, startDate, stopDate: new Date(world.clock.now()).toISOString() });
  try {
    const output = await runExecution(state.processor, input, around, batch.run);
    return { ...about(), status: 'SUCCEEDED', output };
  } catch (error) {
    signal.throwIfAborted();
    const failure = failureOf(error);
    if (failure === undefined) throw error;
    return { ...about(), ...failure };
  }
}
