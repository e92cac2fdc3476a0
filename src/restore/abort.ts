import { type Failure, reasonOf, recordFailure } from '../backup/failures.ts';
import type { Runtime } from '../backup/runtime.ts';
import { readRestore } from './record.ts';

export interface AbortInput {
  readonly source: string;
  readonly restore: string;
  /** In which it failed. */
  readonly stage: string;
  /** What the state machine caught. */
  readonly failure: unknown;
}

/** Why a restore failed. A drill is told in which stage: what stopped the audit says nothing of the backup. */
export const abortRestore = async (runtime: Runtime, input: AbortInput, attempt: string): Promise<Failure> => {
  const reason = await reasonOf(runtime, input.source, input.restore, input.failure);
  const { drill } = await readRestore(runtime, input.source, input.restore);
  if (drill !== null) await recordFailure(runtime, input.source, drill, { ...reason, step: input.stage }, attempt);
  return reason;
};
