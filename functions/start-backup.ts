import { z } from 'zod';
import { startBackup } from '../src/backup/start.ts';
import { DEFAULT_CONCURRENCY } from '../src/environment/world.ts';
import { step } from './step.ts';

const Input = z.object({
  source: z.string(),
  scheduledTime: z.iso.datetime({ offset: true }).nullable(),
  schedule: z.string().nullable(),
  execution: z.string(),
  startedAt: z.string(),
});

/** Names the backup, takes the lease, inspects the source; says which lanes hold its instant. */
export const handler = step(Input, async (input, { runtime, entry, openSource }) => {
  const source = await openSource(input.source);
  const started = await startBackup(runtime, source, input);
  return {
    source: input.source,
    ...started,
    lanes: source.hold === undefined ? [] : [0, 1],
    concurrency: entry(input.source).concurrency ?? DEFAULT_CONCURRENCY,
  };
});
