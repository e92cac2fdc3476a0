import { z } from 'zod';
import { withHint } from '../src/backup/failures.ts';
import { abortRestore } from '../src/restore/abort.ts';
import { handOverFailure } from '../src/restore/hand-over.ts';
import { readRestore } from '../src/restore/record.ts';
import { RestoreInput } from './inputs.ts';
import { step } from './step.ts';

const Input = RestoreInput.extend({ stage: z.string(), failure: z.unknown() });

/** Finds out why. The marker stays in the target: what is there is not whole. */
export const handler = step(Input, async (input, context) => {
  const reason = await abortRestore(context.runtime, input, context.attempt);
  const record = await readRestore(context.runtime, input.source, input.restore);
  if (record.restored !== null) await handOverFailure(await context.openTarget(record), record.restored, reason);
  return { error: reason.code, cause: withHint(reason) };
});
