import { z } from 'zod';
import { discardScratch } from '../src/drill/damage.ts';
import { readDrill } from '../src/drill/record.ts';
import { DrillInput } from './inputs.ts';
import { step } from './step.ts';

const Input = DrillInput.extend({ resume: z.string().nullable() });

/** Removes the scratch target, and then the promise to remove it. */
export const handler = step(Input, async ({ source, drill, resume }, { runtime, openTarget, budget }) => {
  const record = await readDrill(runtime, source, drill);
  if (record.scratch === null) return { resume: null, wait: 0 };
  return discardScratch(runtime, await openTarget({ source, target: null, drill }, record), record, resume, budget);
});
