import { z } from 'zod';
import { resultsPrefix } from '../src/backup/control-keys.ts';
import { planRestoreStage } from '../src/restore/stages.ts';
import { located, openRestore, RestoreInput } from './inputs.ts';
import { step } from './step.ts';

const Input = RestoreInput.extend({ stage: z.string(), part: z.int().nonnegative(), resume: z.string().nullable() });

/** Writes the plan of one stage of a restore, and names the stage after it. */
export const handler = step(Input, async (input, context) => {
  const { target, record, manifest } = await openRestore(input, context);
  const planned = await planRestoreStage(context.runtime, target, record, manifest, input, context.budget);
  return {
    ...located(context.runtime.control, planned, resultsPrefix(input.source, input.restore)),
    tasks: planned.tasks,
    resume: planned.resume,
    next: planned.next,
  };
});
