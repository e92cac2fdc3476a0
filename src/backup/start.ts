import { isLifeboatError, LifeboatError } from '../errors.ts';
import type { Facts, Source } from '../sources/contract.ts';
import { backupId } from './id.ts';
import { FORMAT_KEY, manifestKey } from './layout.ts';
import { acquireLease, type Lease } from './lease.ts';
import { FORMAT_VERSION } from './manifest.ts';
import { createJson, readJson } from './objects.ts';
import { findRun, type Run, writeRun } from './run-record.ts';
import type { Runtime } from './runtime.ts';
import type { BackupId } from './types.ts';

/** TimeoutSeconds of backup.asl.json, in milliseconds: a lease lives as long as its execution can. A test holds them equal. */
export const BACKUP_TIMEOUT_MS = 12 * 60 * 60 * 1000;

/** How often, and after how many milliseconds each time, the holder of a lease is asked whether it makes the same backup. */
const TWIN_LOOKS = 4;
const TWIN_LOOK_MS = 500;

export interface StartInput {
  readonly source: string;
  /** Where the same schedule delivers twice, both mean this time and this ARN, and so one backup. */
  readonly scheduledTime: string | null;
  readonly schedule: string | null;
  readonly execution: string;
  readonly startedAt: string;
}

export interface Started {
  readonly backup: BackupId;
  /** The backup exists, or another living execution is making this very one: there is nothing to do. */
  readonly already: boolean;
}

/** Names the backup, takes the lease, and refuses a source that cannot be backed up. Opens nothing that must stay open. */
export const startBackup = async (runtime: Runtime, source: Source, input: StartInput): Promise<Started> => {
  await checkFormat(runtime);
  const scheduled = scheduledId(input);
  if (scheduled !== undefined && (await isDone(runtime, input, scheduled))) return { backup: scheduled, already: true };
  const own = backupId(new Date(input.startedAt), input.execution);
  const facts = await source.inspect();
  refuseProblems(facts);
  const lease = await leaseUnlessTwin(runtime, input, scheduled);
  if (lease === undefined) return { backup: scheduled ?? own, already: true };
  const run: Run = { execution: input.execution, startedAt: input.startedAt, lease: lease.token, facts };
  // An execution that died has left parts under the scheduled id; they are garbage, and this one takes an id of its own.
  const backup = scheduled !== undefined && (await claim(runtime, input.source, scheduled, run)) ? scheduled : own;
  if (backup === own && !(await claim(runtime, input.source, own, run)))
    throw new LifeboatError('BackupIncomplete', `backup id ${own} is taken by another execution`, { hint: 'Start it again.' });
  return { backup, already: false };
};

/** Undefined when the lease is held by the other delivery of this schedule, which may be about to write down what it makes. */
const leaseUnlessTwin = async (runtime: Runtime, input: StartInput, scheduled: BackupId | undefined): Promise<Lease | undefined> => {
  for (let look = 1; ; look++) {
    try {
      return await acquireLease(runtime.control, {
        source: input.source,
        execution: input.execution,
        expiresAt: new Date(new Date(input.startedAt).getTime() + BACKUP_TIMEOUT_MS),
        now: runtime.now(),
        ownerState: runtime.executionState,
      });
    } catch (error) {
      if (scheduled === undefined || !isLifeboatError(error, 'LeaseHeld')) throw error;
      if (await isDone(runtime, input, scheduled)) return undefined;
      if (look === TWIN_LOOKS) throw error;
      await runtime.sleep(TWIN_LOOK_MS);
    }
  }
};

const scheduledId = (input: StartInput): BackupId | undefined =>
  input.scheduledTime === null ? undefined : backupId(new Date(input.scheduledTime), input.schedule ?? input.scheduledTime);

/** Sealed, or being made by another execution that lives: the schedule delivered twice. */
const isDone = async (runtime: Runtime, input: StartInput, backup: BackupId): Promise<boolean> => {
  if ((await runtime.store.head(manifestKey(input.source, backup))) !== undefined) return true;
  const run = await findRun(runtime, input.source, backup);
  return run !== undefined && run.execution !== input.execution && (await runtime.executionState(run.execution)) === 'running';
};

/** Writes the run's record; false when the id belongs to another execution. A repeated step finds its own record. */
const claim = async (runtime: Runtime, source: string, backup: BackupId, run: Run): Promise<boolean> => {
  if (await writeRun(runtime, source, backup, run)) return true;
  return (await findRun(runtime, source, backup))?.execution === run.execution;
};

/** Fails with SourceProblem, naming the first. */
export const refuseProblems = (facts: Facts): void => {
  const [first, ...others] = facts.problems;
  if (first === undefined) return;
  const more = others.length === 0 ? '' : ` (and ${others.length} more: ${others.map((problem) => problem.code).join(', ')})`;
  throw new LifeboatError('SourceProblem', `${first.code}: ${first.message}${more}`, { hint: first.hint });
};

/** Writes the store's format version, or refuses a store of a newer one. */
const checkFormat = async (runtime: Runtime): Promise<void> => {
  await createJson(runtime.store, FORMAT_KEY, { formatVersion: FORMAT_VERSION });
  const found = await readJson(runtime.store, FORMAT_KEY);
  const version = typeof found === 'object' && found !== null && 'formatVersion' in found ? found.formatVersion : undefined;
  if (version === FORMAT_VERSION) return;
  throw new LifeboatError('FormatTooNew', `${runtime.store.url} has format version ${String(version)}, this is for ${FORMAT_VERSION}`, {
    hint: 'Use a newer Lifeboat.',
  });
};
