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
  for (const abandoned of await abandonedScratch(runtime, source)) {
    const record = await readDrill(runtime, source, abandoned.drill);
    for (let resume: string | null = null; budget.remaining() > 0; ) {
      const outcome = await discardScratch(runtime, openTarget(record), record, resume, budget);
      resume = outcome.resume;
      if (resume === null) break;
      await runtime.sleep(Math.min(outcome.wait * 1000, Math.max(0, budget.remaining())), budget.signal);
    }
    scratch.push(abandoned.name);
  }
  return { scratch, lease: await breakLease(runtime.control, { source, now: runtime.now(), ownerState: runtime.executionState }) };
};
