import { releasePointInTime } from '../src/backup/end.ts';
import { BackupInput } from './inputs.ts';
import { step } from './step.ts';

/** Lets the lanes go, or closes what was opened. */
export const handler = step(BackupInput, async (input, { runtime, openSource }) => {
  await releasePointInTime(runtime, await openSource(input.source), input);
});
