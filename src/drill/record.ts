import { z } from 'zod';
import { controlKey, drillKey } from '../backup/control-keys.ts';
import { createJson, readJson } from '../backup/objects.ts';
import type { Runtime } from '../backup/runtime.ts';
import { LifeboatError } from '../errors.ts';
import type { Tampering } from '../sources/contract.ts';

/** What ChooseBackup decided. Names only: addresses and secrets are looked up by each step. */
const DrillSchema = z.object({
  drill: z.string(),
  source: z.string(),
  backup: z.string(),
  why: z.string(),
  seed: z.int(),
  /** Name of the target beside which the scratch target is made; null when none is configured. */
  scratch: z.string().nullable(),
  execution: z.string(),
  startedAt: z.string(),
});
export type DrillRecord = z.infer<typeof DrillSchema>;

/** What every scratch target is called; nothing without this prefix is ever discarded. */
export const scratchName = (drill: string): string => `lifeboat-drill-${drill.toLowerCase()}`;

export const writeDrill = async (runtime: Runtime, record: DrillRecord): Promise<void> => {
  await createJson(runtime.control, drillKey(record.source, record.drill), record);
};

export const readDrill = async (runtime: Runtime, source: string, drill: string): Promise<DrillRecord> => {
  const value = await readJson(runtime.control, drillKey(source, drill));
  if (value === undefined) throw new LifeboatError('NotMeasured', `drill ${drill} of ${source} was never started`);
  return DrillSchema.parse(value);
};

const TamperingSchema = z.object({ what: z.array(z.string()), classes: z.array(z.string()) });

export const writeTampering = async (runtime: Runtime, { source, drill }: DrillRecord, tampering: Tampering): Promise<void> => {
  await createJson(runtime.control, controlKey(source, drill), tampering);
};

export const readTampering = async (runtime: Runtime, { source, drill }: DrillRecord): Promise<Tampering | undefined> => {
  const value = await readJson(runtime.control, controlKey(source, drill));
  return value === undefined ? undefined : TamperingSchema.parse(value);
};
