import { z } from 'zod';
import { abortBackup } from '../src/backup/end.ts';
import { withHint } from '../src/backup/failures.ts';
import { BackupInput } from './inputs.ts';
import { step } from './step.ts';

const Input = BackupInput.extend({ failure: z.unknown() });

/** Deletes nothing; a backup that has its manifest is complete, and any other gives back what it holds. */
export const handler = step(Input, async ({ failure, ...input }, { runtime, openSource }) => {
  const aborted = await abortBackup(runtime, await openSource(input.source), input, failure);
  return aborted.completed ? aborted : { completed: false, error: aborted.failure.code, cause: withHint(aborted.failure) };
});
