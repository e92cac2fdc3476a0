import { z } from 'zod';
import { damageScratch } from '../src/drill/damage.ts';
import { readDrill } from '../src/drill/record.ts';
import { DrillInput, openRestore } from './inputs.ts';
import { step } from './step.ts';

const Input = DrillInput.extend({ restore: z.string() });

/** Damages the scratch copy on purpose, once, and notes what an audit has to see now. */
export const handler = step(Input, async ({ source, drill, restore }, context) => {
  const { target, manifest } = await openRestore({ source, restore }, context);
  await damageScratch(context.runtime, target, manifest, await readDrill(context.runtime, source, drill), context.budget);
});
