import { breakLease } from '../backup/lease.ts';
import type { Runtime } from '../backup/runtime.ts';
import type { Budget, Target } from '../sources/contract.ts';
import { discardScratch } from './damage.ts';
import { type DrillRecord, readDrill } from './record.ts';
import { abandonedScratch } from './scratch.ts';

export interface Tidied {
  readonly scratch: readonly string[];
  readonly lease: boolean;
}

/** Removes the scratch targets and the lease of a source that no running execution owns. */
export const tidy = async (
  runtime: Runtime,
  source: string,
  openTarget: (record: DrillRecord) => Target,
  budget: Budget,
): Promise<Tidied> => {
  const scratch: string[] = [];
  const failures: unknown[] = [];
  const lease = await breakLease(runtime.control, { source, now: runtime.now(), ownerState: runtime.executionState });
  for (const { drill, name } of await abandonedScratch(runtime, source)) {
    try {
      if (await discard(runtime, await readDrill(runtime, source, drill), openTarget, budget)) scratch.push(name);
    } catch (error) {
      failures.push(error);
    }
  }
  // One server that is down does not keep the other scratch targets alive; the next round tries again.
  if (failures.length > 0) throw failures[0];
  return { scratch, lease };
};

/** False when the time was over before the target was gone. */
const discard = async (
  runtime: Runtime,
  record: DrillRecord,
  openTarget: (record: DrillRecord) => Target,
  budget: Budget,
): Promise<boolean> => {
  for (let resume: string | null = null; budget.remaining() > 0; ) {
    const outcome = await discardScratch(runtime, openTarget(record), record, resume, budget);
    if (outcome.resume === null) return true;
    resume = outcome.resume;
    await runtime.sleep(Math.min(outcome.wait * 1000, Math.max(0, budget.remaining())), budget.signal);
  }
  return false;
};
