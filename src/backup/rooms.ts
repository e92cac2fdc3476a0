import type { Budget, StageContext, StageInput, TaskContext } from '../sources/contract.ts';
import { storeClaims } from './claims.ts';
import { readInstants } from './instants.ts';
import { backupPrefix, objectsPrefix, planPrefix, receiptKey, receiptsPrefix } from './layout.ts';
import { readJson } from './objects.ts';
import { decodeIndex } from './plan-index.ts';
import { objectsBelow } from './pool.ts';
import { readRun } from './run-record.ts';
import type { Runtime } from './runtime.ts';
import { segmentSink, segmentSource } from './segments.ts';
import { indexKey, type Room, readReceipts } from './stage.ts';
import type { BackupId, Manifest } from './types.ts';

/** The rooms of one run's stages, and what its tasks may use. */
export interface Run {
  readonly room: (stage: string) => Room;
  readonly context: (budget: Budget) => StageContext;
  readonly taskContext: (stage: string, task: number, budget: Budget) => TaskContext;
}

/** A backup keeps its receipts in the store, where a manifest can be recomputed from them. `concurrency` matters to planning alone. */
export const backupRun = async (runtime: Runtime, source: string, backup: BackupId, concurrency?: number): Promise<Run> => {
  const { facts } = await readRun(runtime, source, backup);
  const room = (stage: string): Room => ({
    control: runtime.control,
    plan: planPrefix(source, backup, stage),
    receipts: runtime.store,
    receiptKey: (task, part) => receiptKey(source, backup, stage, task, part),
    receiptsPrefix: receiptsPrefix(source, backup, stage),
  });
  const run = openRun(runtime, room, { kind: 'backup', backup, facts }, { source, backup }, () => readInstants(runtime, source, backup));
  return {
    ...run,
    context: (budget) => ({ ...run.context(budget), ...(concurrency === undefined ? {} : { concurrency }) }),
    taskContext: (stage, task, budget) => ({
      ...run.taskContext(stage, task, budget),
      claims: storeClaims(runtime.control, room(stage).plan, task),
    }),
  };
};

export interface RestoreInput {
  readonly source: string;
  readonly restore: string;
  readonly manifest: Manifest;
  readonly scratch: boolean;
  readonly overwrite: boolean;
}

/** A restore keeps its receipts in the control area: they are of no use once it has ended. */
export const restoreRun = (runtime: Runtime, input: RestoreInput): Run => {
  const { source, restore, manifest, scratch, overwrite } = input;
  const room = (stage: string): Room => {
    const plan = planPrefix(source, restore, stage);
    return {
      control: runtime.control,
      plan,
      receipts: runtime.control,
      receiptKey: (task, part) => `${plan}receipts/${String(task).padStart(6, '0')}.${String(part).padStart(4, '0')}.json`,
      receiptsPrefix: `${plan}receipts/`,
    };
  };
  const from = { source: manifest.source.name, backup: manifest.backup };
  return openRun(runtime, room, { kind: 'restore', restore, manifest, scratch, overwrite }, from, async () => []);
};

const openRun = (
  runtime: Runtime,
  room: (stage: string) => Room,
  input: StageInput,
  from: { readonly source: string; readonly backup: BackupId },
  instants: StageContext['instants'],
): Run => {
  const segments = backupPrefix(from.source, from.backup);
  const context = (budget: Budget): StageContext => ({
    input,
    budget,
    read: segmentSource(runtime.store, segments),
    async *receipts(stage) {
      const from = room(stage);
      yield* readReceipts(from, await countTasks(from));
    },
    instants,
  });
  return {
    room,
    context,
    taskContext: (stage, task, budget) => ({
      ...context(budget),
      task,
      write: segmentSink(runtime.store, segments, runtime.openSpool, budget.signal),
      pool: objectsBelow(runtime.store, objectsPrefix(from.source)),
      progress: (done) => runtime.report({ type: 'done', stage, ...done }),
    }),
  };
};

const countTasks = async (room: Room): Promise<number> => {
  let tasks = 0;
  for (let part = 0; ; part++) {
    const key = indexKey(room, part);
    const index = decodeIndex(await readJson(room.control, key), key);
    tasks += index.ranges.length;
    if (index.resume === null) return tasks;
  }
};
