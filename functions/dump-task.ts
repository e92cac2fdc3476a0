import { z } from 'zod';
import { TaskLineSchema } from '../src/backup/plan-index.ts';
import { backupRun } from '../src/backup/rooms.ts';
import { runTask } from '../src/backup/stage.ts';
import { BackupInput, continued } from './inputs.ts';
import { step } from './step.ts';

const Input = BackupInput.extend({ line: TaskLineSchema, part: z.int().nonnegative(), resume: z.string().nullable() });

/** One child of the Distributed Map: dumps one task of the backup's plan, or as much of it as the time allows. */
export const handler = step(Input, async ({ source: name, backup, ...input }, { runtime, openSource, budget }) => {
  const { dump } = await openSource(name);
  const run = await backupRun(runtime, name, backup);
  const next = await runTask(dump, run.room(dump.name), run.taskContext(dump.name, input.line.task, budget), input);
  return continued(runtime, dump.name, input, next);
});
