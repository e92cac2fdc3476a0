import { readDrill } from '../src/drill/record.ts';
import { provisionScratch } from '../src/drill/scratch.ts';
import { DrillInput } from './inputs.ts';
import { step } from './step.ts';

/** Writes the scratch target down, with its owner and its end of life, before anything is made. */
export const handler = step(DrillInput, async ({ source, drill }, { runtime }) => {
  await provisionScratch(runtime, await readDrill(runtime, source, drill));
});
