import { z } from 'zod';
import { restoreKey } from '../backup/control-keys.ts';
import { createJson, readJson } from '../backup/objects.ts';
import type { Runtime } from '../backup/runtime.ts';
import { LifeboatError } from '../errors.ts';

/** What ResolveBackup decided. Names only: addresses and secrets are looked up by each step. */
const RestoreSchema = z.object({
  restore: z.string(),
  source: z.string(),
  backup: z.string(),
  /** A name under `targets` of the environment; null for a scratch target. */
  target: z.string().nullable(),
  /** The drill whose scratch target this is. */
  drill: z.string().nullable(),
  only: z.enum(['audit']).nullable(),
  /** What somebody else restored and Lifeboat looks at: the ARN of the system, and the job of AWS Backup that made it. */
  restored: z.object({ resource: z.string(), job: z.string() }).nullable().default(null),
  overwrite: z.boolean(),
  /** The restore whose marker lies in the target: this one's, or an earlier one that it continues. */
  marker: z.string(),
  execution: z.string(),
  startedAt: z.string(),
});
export type RestoreRecord = z.infer<typeof RestoreSchema>;

export const writeRestore = (runtime: Runtime, record: RestoreRecord): Promise<boolean> =>
  createJson(runtime.control, restoreKey(record.source, record.restore), record);

export const readRestore = async (runtime: Runtime, source: string, restore: string): Promise<RestoreRecord> => {
  const value = await readJson(runtime.control, restoreKey(source, restore));
  if (value === undefined) throw new LifeboatError('RestoreFailed', `restore ${restore} of ${source} was never started`);
  return RestoreSchema.parse(value);
};
