import { z } from 'zod';
import { controlKey, drillKey, drillManifestKey } from '../backup/control-keys.ts';
import { decodeManifest, encodeManifest } from '../backup/manifest.ts';
import { createJson, readAll, readJson } from '../backup/objects.ts';
import type { Runtime } from '../backup/runtime.ts';
import type { Manifest } from '../backup/types.ts';
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

export const findDrill = async (runtime: Runtime, source: string, drill: string): Promise<DrillRecord | undefined> => {
  const value = await readJson(runtime.control, drillKey(source, drill));
  return value === undefined ? undefined : DrillSchema.parse(value);
};

export const readDrill = async (runtime: Runtime, source: string, drill: string): Promise<DrillRecord> => {
  const record = await findDrill(runtime, source, drill);
  if (record === undefined) throw new LifeboatError('NotMeasured', `drill ${drill} of ${source} was never started`);
  return record;
};

/** A drill's own copy, by backup: the backup may be pruned or damaged meanwhile, and the scratch target must still go. */
export const keepManifest = async (runtime: Runtime, source: string, drill: string, manifest: Manifest): Promise<void> => {
  await runtime.control.create(drillManifestKey(source, drill, manifest.backup), encodeManifest(manifest));
};

/** Of the backup as it was when the drill began. */
export const readManifest = async (runtime: Runtime, { source, drill, backup }: DrillRecord): Promise<Manifest> => {
  const bytes = await readAll(runtime.control, drillManifestKey(source, drill, backup));
  if (bytes === undefined) throw new LifeboatError('NotMeasured', `drill ${drill} of ${source} has no manifest`);
  return decodeManifest(bytes);
};

const TamperingSchema = z.object({ what: z.array(z.string()), classes: z.array(z.string()) });

export const writeTampering = async (runtime: Runtime, { source, drill }: DrillRecord, tampering: Tampering): Promise<void> => {
  await createJson(runtime.control, controlKey(source, drill), tampering);
};

export const readTampering = async (runtime: Runtime, { source, drill }: DrillRecord): Promise<Tampering | undefined> => {
  const value = await readJson(runtime.control, controlKey(source, drill));
  return value === undefined ? undefined : TamperingSchema.parse(value);
};
