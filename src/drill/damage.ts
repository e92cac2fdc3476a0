import { restoreRun } from '../backup/rooms.ts';
import type { Runtime } from '../backup/runtime.ts';
import { runSequence, type SequenceOutcome } from '../backup/sequence.ts';
import type { Manifest } from '../backup/types.ts';
import type { Budget, Target } from '../sources/contract.ts';
import { type DrillRecord, readManifest, readTampering, writeTampering } from './record.ts';
import { forgetScratch } from './scratch.ts';

/** Damages the scratch copy; a repeated step does not damage it twice. */
export const damageScratch = async (
  runtime: Runtime,
  target: Target,
  manifest: Manifest,
  record: DrillRecord,
  budget: Budget,
): Promise<void> => {
  if ((await readTampering(runtime, record)) !== undefined) return;
  await writeTampering(runtime, record, await target.tamper(manifest, record.seed, budget));
};

/** Removes the scratch target as far as the budget goes, and at the end its record. */
export const discardScratch = async (
  runtime: Runtime,
  target: Target,
  record: DrillRecord,
  resume: string | null,
  budget: Budget,
): Promise<SequenceOutcome> => {
  const outcome = await removeScratch(runtime, target, record, record.drill, resume, budget);
  if (outcome.resume === null) await forgetScratch(runtime, record.source, record.drill);
  return outcome;
};

/** What was done under one name of a run is not done again under it. */
export const removeScratch = async (
  runtime: Runtime,
  target: Target,
  record: DrillRecord,
  name: string,
  resume: string | null,
  budget: Budget,
): Promise<SequenceOutcome> => {
  const manifest = await readManifest(runtime, record);
  const run = restoreRun(runtime, { source: record.source, restore: name, manifest, scratch: true, overwrite: false });
  return runSequence(target.discard, run, budget, resume);
};
