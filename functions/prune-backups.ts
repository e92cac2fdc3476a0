import { pruneBackups } from '../src/backup/prune.ts';
import { readRun } from '../src/backup/run-record.ts';
import { BackupInput } from './inputs.ts';
import { step } from './step.ts';

/** Removes what the retention policy does not keep, as far as the time goes. */
export const handler = step(BackupInput, async ({ source, backup }, { runtime, entry, openSource, budget }) => {
  const { retention: policy, timezone } = entry(source);
  const { lease } = await readRun(runtime, source, backup);
  const { removed, done } = await pruneBackups(
    runtime,
    { source, policy, timezone, lease, forget: (await openSource(source)).forget },
    budget,
  );
  return { removed: removed.length, done };
});
