import { z } from 'zod';
import { LifeboatError } from '../errors.ts';
import { runKey } from './control-keys.ts';
import { createJson, readJson } from './objects.ts';
import type { Runtime } from './runtime.ts';
import type { BackupId } from './types.ts';

/** What StartBackup learnt; the later steps read it instead of carrying it through the state machine. */
const RunSchema = z.object({
  execution: z.string(),
  startedAt: z.string(),
  lease: z.string(),
  facts: z.object({
    product: z.string(),
    version: z.string(),
    place: z.string(),
    content: z.string(),
    bytes: z.number(),
    problems: z.array(z.object({ code: z.string(), message: z.string(), hint: z.string() })).readonly(),
  }),
});
export type Run = z.infer<typeof RunSchema>;

export const writeRun = (runtime: Runtime, source: string, backup: BackupId, run: Run): Promise<boolean> =>
  createJson(runtime.control, runKey(source, backup), run);

export const findRun = async (runtime: Runtime, source: string, backup: BackupId): Promise<Run | undefined> => {
  const value = await readJson(runtime.control, runKey(source, backup));
  return value === undefined ? undefined : RunSchema.parse(value);
};

export const readRun = async (runtime: Runtime, source: string, backup: BackupId): Promise<Run> => {
  const run = await findRun(runtime, source, backup);
  if (run === undefined)
    throw new LifeboatError('NoSuchBackup', `backup ${backup} of ${source} was never started`, {
      hint: 'Start the machine, not one of its steps.',
    });
  return run;
};
