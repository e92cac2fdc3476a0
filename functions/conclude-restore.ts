import { concludeRestore } from '../src/restore/conclude.ts';
import { handOver } from '../src/restore/hand-over.ts';
import { openRestore, RestoreInput } from './inputs.ts';
import { step } from './step.ts';

/** Judges the audit and keeps its result. */
export const handler = step(RestoreInput, async (input, context) => {
  const { target, record, manifest } = await openRestore(input, context);
  const concluded = await concludeRestore(context.runtime, target, record, manifest, context.budget);
  return record.restored === null ? concluded : handOver(target, record.restored, concluded);
});
