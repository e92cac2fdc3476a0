import { z } from 'zod';
import { reasonOf, withHint } from '../src/backup/failures.ts';
import { RestoreInput } from './inputs.ts';
import { step } from './step.ts';

const Input = RestoreInput.extend({ failure: z.unknown() });

/** Finds out why. The marker stays in the target: what is there is not whole. */
export const handler = step(Input, async ({ source, restore, failure }, { runtime }) => {
  const reason = await reasonOf(runtime, source, restore, failure);
  return { error: reason.code, cause: withHint(reason) };
});
