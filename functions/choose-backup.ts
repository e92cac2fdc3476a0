import { z } from 'zod';
import { SELECTIONS } from '../src/drill/choose.ts';
import { startDrill } from '../src/drill/start.ts';
import { ownScratch } from '../src/environment/world.ts';
import { step } from './step.ts';

const Input = z.object({
  source: z.string(),
  backup: z.string().nullable(),
  selection: z.enum(SELECTIONS).nullable(),
  scratch: z.string().nullable(),
  seed: z.int().nullable(),
  execution: z.string(),
  startedAt: z.string(),
});

/** Picks the backup of this drill; `scratch` says whether there is a place to restore it to. */
export const handler = step(Input, async (input, { runtime, environment }) => {
  const configured = environment.sources[input.source]?.drill;
  const record = await startDrill(runtime, {
    ...input,
    selection: input.selection ?? configured?.selection,
    scratch: input.scratch ?? configured?.scratch ?? null,
    ownScratch,
  });
  return { source: record.source, drill: record.drill, backup: record.backup, scratch: record.scratch !== null };
});
