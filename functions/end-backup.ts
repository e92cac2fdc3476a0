import { endBackup } from '../src/backup/end.ts';
import { BackupInput } from './inputs.ts';
import { step } from './step.ts';

/** Gives the lease back. */
export const handler = step(BackupInput, async (input, { runtime }) => {
  await endBackup(runtime, input);
});
