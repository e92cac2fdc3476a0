import { z } from 'zod';
import { discardedKey } from '../backup/control-keys.ts';
import { parseBackupId } from '../backup/id.ts';
import { breakLease } from '../backup/lease.ts';
import { createJson, readJson } from '../backup/objects.ts';
import { findRun } from '../backup/run-record.ts';
import type { Runtime } from '../backup/runtime.ts';
import type { Budget, Source, Target } from '../sources/contract.ts';
import { removeScratch } from './damage.ts';
import { type DrillRecord, readDrill } from './record.ts';
import { abandonedScratch, forgetScratch } from './scratch.ts';

/** Longest that a function runs, in milliseconds. Whoever stops an execution does not stop its functions. */
const FUNCTION_MAX_MS = 15 * 60 * 1000;

export interface Tidied {
  /** Names of the scratch targets that were removed. */
  readonly scratch: readonly string[];
  /** Names of throw-away systems whose time was over. */
  readonly expired: readonly string[];
  readonly lease: boolean;
}

export interface TidyInput {
  readonly source: string;
  readonly openTarget: (record: DrillRecord) => Promise<Target>;
  /** Removes throw-away systems whose time is over, for kinds that make any; see Source. */
  readonly expire?: Source['tidy'];
  /** Whether no function of an execution that ended can still be at work: it might make its target anew. */
  readonly settled: boolean;
}

/** Removes the scratch targets and the lease of a source that no running execution owns. */
export const tidy = async (runtime: Runtime, input: TidyInput, budget: Budget): Promise<Tidied> => {
  const { source } = input;
  const scratch: string[] = [];
  const failures: unknown[] = [];
  const lease = await breakLease(runtime.control, { source, now: runtime.now(), ownerState: runtime.executionState });
  for (const { drill, name } of await abandonedScratch(runtime, source)) {
    try {
      if (await discard(runtime, input, await readDrill(runtime, source, drill), budget)) scratch.push(name);
    } catch (error) {
      failures.push(error);
    }
  }
  let expired: readonly string[] = [];
  try {
    expired = (await input.expire?.((backup) => hasEnded(runtime, source, backup))) ?? [];
  } catch (error) {
    failures.push(error);
  }
  // One server that is down does not keep the other scratch targets alive; the next round tries again.
  if (failures.length > 0) throw failures[0];
  return { scratch, expired, lease };
};

/** Whether a backup was made here, and whoever made it is gone. */
const hasEnded = async (runtime: Runtime, source: string, text: string): Promise<boolean> => {
  const backup = parseBackupId(text);
  const run = backup === undefined ? undefined : await findRun(runtime, source, backup);
  return run !== undefined && (await runtime.executionState(run.execution)) === 'gone';
};

const DiscardedSchema = z.object({ at: z.string() });

/**
 * False when the time was over before the target was gone. Its record is kept, and the target removed once more, until no function
 * that was on its way can be any more.
 */
const discard = async (runtime: Runtime, input: TidyInput, record: DrillRecord, budget: Budget): Promise<boolean> => {
  const { source, drill } = record;
  const note = await readJson(runtime.control, discardedKey(source, drill));
  const before = note === undefined ? undefined : Date.parse(DiscardedSchema.parse(note).at);
  const late = before !== undefined && runtime.now().getTime() - before >= FUNCTION_MAX_MS;
  if (!(await remove(runtime, await input.openTarget(record), record, late ? `${drill}.late` : drill, budget))) return false;
  if (late || input.settled) await forgetScratch(runtime, source, drill);
  else await createJson(runtime.control, discardedKey(source, drill), { at: runtime.now().toISOString() });
  return true;
};

const remove = async (runtime: Runtime, target: Target, record: DrillRecord, name: string, budget: Budget): Promise<boolean> => {
  for (let resume: string | null = null; budget.remaining() > 0; ) {
    const outcome = await removeScratch(runtime, target, record, name, resume, budget);
    if (outcome.resume === null) return true;
    resume = outcome.resume;
    await runtime.sleep(Math.min(outcome.wait * 1000, Math.max(0, budget.remaining())), budget.signal);
  }
  return false;
};
