import type { Json } from '../../backup/types.ts';
import { runDistributed } from './distributed.ts';
import { StatesError } from './errors.ts';
import { type RunChain, scopeOf, type Visit } from './frame.ts';
import { readItems, selected } from './items.ts';
import { DISTRIBUTED_CONCURRENCY_MAX, INLINE_CONCURRENCY_MAX, ITEMS_MAX, withinPayload } from './limits.ts';
import { eachOf } from './pool.ts';
import { Abandoned, branchOf } from './stop.ts';
import { render, renderNumber, wrongValue } from './template.ts';
import type { MapState } from './types.ts';

export async function runMap(state: MapState, visit: Visit, run: RunChain): Promise<Json> {
  const items = state.reader === undefined ? await itemsOf(state, visit) : await readItems(state.reader, visit);
  const concurrency = await concurrencyOf(state, visit);
  visit.frame.run.history.record('MapStateStarted', { state: state.name, items: items.length });
  const result = await (state.mode === 'INLINE'
    ? runInline(state, items, concurrency, visit, run)
    : runDistributed(state, items, concurrency, visit, run));
  withinPayload(result, `the result of ${state.name}`);
  visit.frame.run.history.record('MapStateSucceeded', { state: state.name });
  return result;
}

async function itemsOf(state: MapState, visit: Visit): Promise<readonly Json[]> {
  const value = state.items === undefined ? visit.input : await render(state.items, scopeOf(visit));
  if (!Array.isArray(value)) throw wrongValue(`Items of ${state.name}`, 'an array', value);
  if (value.length > ITEMS_MAX) throw new StatesError('States.Runtime', `${state.name} has more than ${ITEMS_MAX} items`);
  return value;
}

/** 0 stands for as many as there may be. */
async function concurrencyOf(state: MapState, visit: Visit): Promise<number> {
  const most = state.mode === 'INLINE' ? INLINE_CONCURRENCY_MAX : DISTRIBUTED_CONCURRENCY_MAX;
  if (state.maxConcurrency === undefined) return most;
  const bounds = { min: 0, max: DISTRIBUTED_CONCURRENCY_MAX, whole: true };
  const wanted = await renderNumber(state.maxConcurrency, scopeOf(visit), 'MaxConcurrency', bounds);
  return wanted === 0 ? most : Math.min(wanted, most);
}

/** Items share the execution's history and see the variables around them. The first error is the state's. */
async function runInline(state: MapState, items: readonly Json[], concurrency: number, visit: Visit, run: RunChain): Promise<Json> {
  const { history } = visit.frame.run;
  const results: Json[] = items.map(() => null);
  using inner = branchOf(visit.frame.signal);
  try {
    await eachOf(items.length, concurrency, async (index) => {
      const { input, item } = await selected(state, index, items[index] ?? null, visit);
      inner.signal.throwIfAborted();
      history.record('MapIterationStarted', { state: state.name, index });
      results[index] = await run(state.processor, input, { ...visit.frame, signal: inner.signal, item });
      history.record('MapIterationSucceeded', { state: state.name, index });
    });
    return results;
  } catch (error) {
    inner.stop(new Abandoned(`another item of ${state.name} has failed`));
    throw error;
  }
}
