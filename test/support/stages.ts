import type { Room } from '../../src/backup/stage.ts';
import type { Json } from '../../src/backup/types.ts';
import type { Budget, Cursor, Part, Stage, StageContext, TaskContext } from '../../src/sources/contract.ts';
import type { Store } from '../../src/stores/store.ts';
import { idAt } from '../backup/examples.ts';

/** Stages, rooms and contexts for tests of what drives them. */

export const roomIn = (store: Store, stage = 'work'): Room => ({
  control: store,
  plan: `plans/${stage}/`,
  receipts: store,
  receiptKey: (task, part) => `receipts/${stage}.${String(task).padStart(6, '0')}.${String(part).padStart(4, '0')}.json`,
  receiptsPrefix: `receipts/${stage}.`,
});

export const budgetOf = (remaining: () => number): Budget => ({ remaining, signal: new AbortController().signal });
export const ample = budgetOf(() => 60_000);
export const spent = budgetOf(() => 0);

const unused = (): never => {
  throw new Error('this stage does not use that');
};

export const contextWith = (budget: Budget): StageContext => ({
  input: {
    kind: 'backup',
    backup: idAt('2026-11-21T01:30:00Z'),
    facts: { product: 'Fake', version: '1', place: 'here', content: 'it', bytes: 0, problems: [] },
  },
  budget,
  read: { read: unused },
  async *receipts() {},
  instants: async () => [],
});

export const taskContextWith = (budget: Budget, task = 0): TaskContext => ({
  ...contextWith(budget),
  task,
  write: { write: unused },
  progress: () => {},
});

export const done = (part: Partial<Part> = {}): Part => ({ segments: [], digests: [], ...part });
export const next = (cursor: string, afterSeconds?: number): Part =>
  done({ next: { cursor: cursor as Cursor, ...(afterSeconds === undefined ? {} : { afterSeconds }) } });

/** A stage of these tasks; planning may stop after each of them. */
export const stageOf = (
  tasks: readonly Json[],
  run: Stage['run'] = async () => done(),
  name = 'work',
): Stage & { readonly planned: number[] } => {
  const planned: number[] = [];
  return {
    name,
    mode: 'independent',
    planned,
    async *plan(_context, resume) {
      for (let n = resume === undefined ? 0 : Number(resume); n < tasks.length; n++) {
        planned.push(n);
        yield { task: tasks[n] ?? null, ...(n + 1 < tasks.length ? { resume: String(n + 1) as Cursor } : {}) };
      }
    },
    run,
  };
};
