import { phasesKey } from '../backup/control-keys.ts';
import { type Failure, reasonOf, recordFailure } from '../backup/failures.ts';
import { createJson } from '../backup/objects.ts';
import type { Runtime } from '../backup/runtime.ts';
import { readRestore } from './record.ts';
import { AUDIT, phasesBeforeAudit } from './stages.ts';

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
  const record = await readRestore(runtime, input.source, input.restore);
  if (record.drill !== null) {
    await recordFailure(runtime, input.source, record.drill, { ...reason, step: input.stage }, attempt);
    // What was restored before the audit broke off took as long as it took: the drill that has no audit keeps its RTO.
    if (input.stage === AUDIT)
      await createJson(runtime.control, phasesKey(input.source, record.drill), await phasesBeforeAudit(runtime, record));
  }
  return reason;
};
