import type { Source } from '../sources/contract.ts';
import { type Failure, reasonOf } from './failures.ts';
import { readInstants, releaseInstant } from './instants.ts';
import { releaseLease } from './lease.ts';
import { findRun } from './run-record.ts';
import type { Runtime } from './runtime.ts';
import { findManifest } from './seal.ts';
import type { BackupId } from './types.ts';

export interface EndInput {
  readonly source: string;
  readonly backup: BackupId;
}

/** Lets the holders go, or closes what `open` opened, or what was made ready for it. */
export const releasePointInTime = async (runtime: Runtime, source: Source, input: EndInput): Promise<void> => {
  await releaseInstant(runtime, input.source, input.backup);
  const [newest] = await readInstants(runtime, input.source, input.backup);
  if (source.hold !== undefined) return;
  await (newest === undefined ? source.abandon?.(input.backup) : source.close(newest));
};

/** Gives the lease back; whoever took it over since keeps it. */
export const endBackup = async (runtime: Runtime, input: EndInput): Promise<void> => {
  const run = await findRun(runtime, input.source, input.backup);
  if (run !== undefined) await releaseLease(runtime.control, input.source, run.lease);
};

export type Aborted = { readonly completed: true } | { readonly completed: false; readonly failure: Failure };

/** Deletes nothing: a backup with a manifest is complete whatever failed since; without one it does not exist. */
export const abortBackup = async (runtime: Runtime, source: Source, input: EndInput, caught: unknown): Promise<Aborted> => {
  if ((await findManifest(runtime, input)) !== undefined) return { completed: true };
  const failure = await reasonOf(runtime, input.source, input.backup, caught);
  await releasePointInTime(runtime, source, input);
  await endBackup(runtime, input);
  return { completed: false, failure };
};
