import { pruneBackups } from '../src/backup/prune.ts';
import { BackupInput } from './inputs.ts';
import { step } from './step.ts';

/** Removes what the retention policy does not keep, as far as the time goes. */
export const handler = step(BackupInput, async ({ source }, { runtime, entry, budget }) => {
  const { removed, done } = await pruneBackups(runtime, { source, policy: entry(source).retention, timezone: entry(source).timezone }, budget);
  return { removed: removed.length, done };
});
