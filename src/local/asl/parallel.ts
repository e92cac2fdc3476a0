import type { Json } from '../../backup/types.ts';
import { type RunChain, scopeOf, type Visit } from './frame.ts';
import { withinPayload } from './limits.ts';
import { Abandoned, branchOf } from './stop.ts';
import { render } from './template.ts';
import type { ParallelState } from './types.ts';

/** Results in the order of the branches. The first error is the state's; what the other branches do then, nobody learns. */
export async function runParallel(state: ParallelState, visit: Visit, run: RunChain): Promise<Json> {
  const input = state.arguments === undefined ? visit.input : await render(state.arguments, scopeOf(visit));
  withinPayload(input, `the arguments of ${state.name}`);
  visit.frame.run.history.record('ParallelStateStarted', { state: state.name });
  using inner = branchOf(visit.frame.signal);
  const frame = { ...visit.frame, signal: inner.signal };
  try {
    const results = await Promise.all(state.branches.map((branch) => run(branch, input, frame)));
    withinPayload(results, `the result of ${state.name}`);
    visit.frame.run.history.record('ParallelStateSucceeded', { state: state.name });
    return results;
  } catch (error) {
    inner.stop(new Abandoned(`another branch of ${state.name} has failed`));
    throw error;
  }
}
