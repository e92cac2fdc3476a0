import { z } from 'zod';
import { withHint } from '../src/backup/failures.ts';
import { abortRestore } from '../src/restore/abort.ts';
import { RestoreInput } from './inputs.ts';
import { step } from './step.ts';

const Input = RestoreInput.extend({ stage: z.string(), failure: z.unknown() });

/** Finds out why. The marker stays in the target: what is there is not whole. */
export const handler = step(Input, async (input, { runtime, attempt }) => {
  const reason = await abortRestore(runtime, input, attempt);
  return { error: reason.code, cause: withHint(reason) };
});
