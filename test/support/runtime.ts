import type { Progress } from '../../src/backup/progress.ts';
import type { Runtime } from '../../src/backup/runtime.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import { memorySpool } from './memory-spool.ts';
import { type VirtualClock, virtualClock } from './virtual-clock.ts';

/** A runtime over stores in memory and a clock of its own. */
export interface TestRuntime extends Runtime {
  readonly clock: VirtualClock;
  readonly reported: Progress[];
  /** What executionState answers; `unknown` where nothing is said. */
  readonly states: Map<string, 'running' | 'gone'>;
}

export const memoryRuntime = (changes: Partial<Runtime> = {}): TestRuntime => {
  const clock = virtualClock();
  const reported: Progress[] = [];
  const states = new Map<string, 'running' | 'gone'>();
  const now = (): Date => new Date(clock.now());
  return {
    store: memoryStore({ name: 'store', now }),
    control: memoryStore({ name: 'control', now }),
    services: { secret: async () => '', now, temporary: '/nonexistent' },
    tool: 'lifeboat 0.0.0',
    report: (progress) => reported.push(progress),
    openSpool: memorySpool,
    now,
    sleep: (milliseconds, signal) => clock.sleep(milliseconds, signal),
    executionState: async (arn) => states.get(arn) ?? 'unknown',
    ...changes,
    clock,
    reported,
    states,
  };
};
