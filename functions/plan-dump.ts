import { z } from 'zod';
import { resultsPrefix } from '../src/backup/control-keys.ts';
import { backupRun } from '../src/backup/rooms.ts';
import { planStage } from '../src/backup/stage.ts';
import { DEFAULT_CONCURRENCY } from '../src/environment/world.ts';
import { BackupInput, located } from './inputs.ts';
import { step } from './step.ts';

const Input = BackupInput.extend({ part: z.int().nonnegative(), resume: z.string().nullable() });

/** Writes the plan of the dump, or as much of it as the time allows; answers where the Map finds it. */
export const handler = step(Input, async ({ source: name, backup, part, resume }, { runtime, entry, openSource, budget }) => {
  const { dump } = await openSource(name);
  const run = await backupRun(runtime, name, backup, entry(name).concurrency ?? DEFAULT_CONCURRENCY);
  const outcome = await planStage(dump, run.room(dump.name), run.context(budget), { part, resume });
  if (outcome.plan !== null) runtime.report({ type: 'planned', stage: dump.name, tasks: outcome.tasks });
  // All lanes of a `together` stage must run at once, or none gets past their barrier.
  const together = dump.mode === 'together';
  return { ...located(runtime.control, outcome, resultsPrefix(name, backup)), tasks: outcome.tasks, together, resume: outcome.resume };
});
