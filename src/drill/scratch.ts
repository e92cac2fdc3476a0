import { z } from 'zod';
import { scratchKey, scratchPrefix } from '../backup/layout.ts';
import { createJson, readJson } from '../backup/objects.ts';
import type { Runtime } from '../backup/runtime.ts';
import type { DrillRecord } from './record.ts';
import { scratchName } from './record.ts';

/** How long a scratch target may live before the janitor removes it, whoever owns it. */
const SCRATCH_TTL_MS = 48 * 60 * 60 * 1000;

const ScratchSchema = z.object({ name: z.string(), target: z.string(), drill: z.string(), owner: z.string(), expiresAt: z.string() });
export type ScratchRecord = z.infer<typeof ScratchSchema>;

/** Promises the scratch target's removal before it is made. */
export const provisionScratch = async (runtime: Runtime, record: DrillRecord): Promise<void> => {
  if (record.scratch === null) return;
  const scratch: ScratchRecord = {
    name: scratchName(record.drill),
    target: record.scratch,
    drill: record.drill,
    owner: record.execution,
    expiresAt: new Date(runtime.now().getTime() + SCRATCH_TTL_MS).toISOString(),
  };
  await createJson(runtime.control, scratchKey(record.source, record.drill), scratch);
};

export const forgetScratch = (runtime: Runtime, source: string, drill: string): Promise<void> =>
  runtime.control.delete(scratchKey(source, drill));

/** Scratch targets of a source whose owner is gone or whose time is over. */
export const abandonedScratch = async (runtime: Runtime, source: string): Promise<readonly ScratchRecord[]> => {
  const abandoned: ScratchRecord[] = [];
  for await (const { key } of runtime.control.list(scratchPrefix(source))) {
    const parsed = ScratchSchema.safeParse(await readJson(runtime.control, key));
    if (!parsed.success) continue;
    const expired = Date.parse(parsed.data.expiresAt) <= runtime.now().getTime();
    if (expired || (await runtime.executionState(parsed.data.owner)) === 'gone') abandoned.push(parsed.data);
  }
  return abandoned;
};
