import { concludeRestore } from '../src/restore/conclude.ts';
import { openRestore, RestoreInput } from './inputs.ts';
import { step } from './step.ts';

/** Judges the audit and keeps its result. */
export const handler = step(RestoreInput, async (input, context) => {
  const { target, record, manifest } = await openRestore(input, context);
  return concludeRestore(context.runtime, target, record, manifest, context.budget);
});
