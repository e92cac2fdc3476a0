import { z } from 'zod';
import { TaskLineSchema } from '../src/backup/plan-index.ts';
import { runTask } from '../src/backup/stage.ts';
import { runOf, stageNamed } from '../src/restore/stages.ts';
import { continued, openRestore, RestoreInput } from './inputs.ts';
import { step } from './step.ts';

const Input = RestoreInput.extend({ stage: z.string(), line: TaskLineSchema, part: z.int().nonnegative(), resume: z.string().nullable() });

/** What load-task and audit-task share; they are two functions because their roles differ. */
export const runRestoreTask = step(Input, async ({ source, restore, stage: name, ...input }, context) => {
  const { target, record, manifest } = await openRestore({ source, restore }, context);
  const stage = stageNamed(target, record, name);
  const run = runOf(context.runtime, record, manifest);
  const next = await runTask(stage, run.room(name), run.taskContext(name, input.line.task, context.budget), input);
  return continued(context.runtime, name, input, next);
});
