import { z } from 'zod';
import { readDrill } from '../src/drill/record.ts';
import { DEFAULT_CONCURRENCY } from '../src/environment/world.ts';
import { resolveRestore } from '../src/restore/resolve.ts';
import { step } from './step.ts';

const Input = z.object({
  source: z.string(),
  backup: z.string(),
  target: z.string().nullable(),
  drill: z.string().nullable(),
  only: z.literal('audit').nullable(),
  restored: z.object({ resource: z.string(), job: z.string() }).nullable().default(null),
  overwrite: z.boolean(),
  execution: z.string(),
  startedAt: z.string(),
});

/** Picks the backup and the target; never the source by itself. */
export const handler = step(Input, async (input, { runtime, environment, openTarget }) => {
  const entry = environment.sources[input.source];
  const drill = input.drill === null ? undefined : await readDrill(runtime, input.source, input.drill);
  const configured = input.restored === null ? entry?.restore?.target : entry?.drill?.scratch;
  const target = input.target ?? (drill === undefined ? (configured ?? null) : null);
  const resolved = await resolveRestore(runtime, { ...input, target }, (record) => openTarget(record, drill));
  return { ...resolved, drill: input.drill, concurrency: entry?.concurrency ?? DEFAULT_CONCURRENCY };
});
