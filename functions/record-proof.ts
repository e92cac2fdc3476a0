import { z } from 'zod';
import { recordProof } from '../src/drill/prove.ts';
import { readDrill } from '../src/drill/record.ts';
import { DrillInput } from './inputs.ts';
import { step } from './step.ts';

const Input = DrillInput.extend({
  restored: z.string().nullable(),
  audited: z.string().nullable(),
  failed: z.enum(['provision', 'restore', 'control']).nullable(),
  failure: z.unknown(),
});

/** Writes the proof and its report, whatever came of the drill. */
export const handler = step(Input, async ({ source, drill, ...found }, { runtime, environment, describeScratch }) => {
  const record = await readDrill(runtime, source, drill);
  const goals = environment.sources[source]?.drill?.goals ?? {};
  return recordProof(runtime, record, { ...found, goals, scratch: describeScratch(record) });
});
