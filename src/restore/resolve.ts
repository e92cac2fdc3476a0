import { findBackup } from '../backup/catalog.ts';
import { backupId } from '../backup/id.ts';
import type { Runtime } from '../backup/runtime.ts';
import type { Manifest } from '../backup/types.ts';
import { LifeboatError } from '../errors.ts';
import type { Target } from '../sources/contract.ts';
import { type RestoreRecord, writeRestore } from './record.ts';
import { firstStage } from './stages.ts';

export interface ResolveInput {
  readonly source: string;
  /** An id, or `latest`. */
  readonly backup: string;
  readonly target: string | null;
  readonly drill: string | null;
  readonly only: 'audit' | null;
  /** Absent for what is restored here. */
  readonly restored?: RestoreRecord['restored'];
  readonly overwrite: boolean;
  readonly execution: string;
  readonly startedAt: string;
}

export interface Resolved {
  readonly source: string;
  readonly restore: string;
  readonly backup: string;
  readonly stage: string;
}

/** Picks the backup, refuses a target that must not be written, and writes down what this restore is. */
export const resolveRestore = async (
  runtime: Runtime,
  input: ResolveInput,
  openTarget: (record: RestoreRecord, manifest: Manifest) => Promise<Target>,
): Promise<Resolved> => {
  const manifest = await manifestOf(runtime, input);
  const { restored = null } = input;
  const restore = backupId(new Date(input.startedAt), input.execution);
  const record: RestoreRecord = {
    restore,
    source: input.source,
    backup: manifest.backup,
    target: input.target,
    drill: input.drill,
    only: restored === null ? input.only : 'audit',
    restored,
    overwrite: input.overwrite,
    marker: restore,
    execution: input.execution,
    startedAt: input.startedAt,
  };
  const target = await openTarget(record, manifest);
  if (record.only === null && input.drill === null) await refuseTarget(target, manifest, input.overwrite);
  await writeRestore(runtime, record);
  return { source: input.source, restore, backup: manifest.backup, stage: firstStage(target, record) };
};

/** The manifest of a backup, by id or `latest`; fails with NoSuchBackup or ManifestInvalid. */
export const manifestOf = async (runtime: Runtime, input: { readonly source: string; readonly backup: string }): Promise<Manifest> => {
  const { manifest } = await findBackup(runtime.store, input.backup, input.source);
  return manifest;
};

/** A system that was not restored of this backup is held to nothing that it says. */
export const withoutPromises = (manifest: Manifest): Manifest => ({ ...manifest, digests: [], assertions: [], details: null });

/** Early and by name; `prepare` looks again, in the target's own transaction. */
const refuseTarget = async (target: Target, manifest: Manifest, overwrite: boolean): Promise<void> => {
  const facts = await target.inspect();
  const [problem] = facts.problems;
  if (problem !== undefined) throw new LifeboatError('TargetProblem', `${problem.code}: ${problem.message}`, { hint: problem.hint });
  if (facts.place === manifest.source.place && (overwrite || !facts.empty))
    throw new LifeboatError('TargetIsSource', `the target ${facts.place} is the very place that backup ${manifest.backup} was made of`, {
      hint: 'Restore to another database, or empty this one by hand first.',
    });
  if (facts.unfinished !== undefined && !overwrite)
    throw new LifeboatError('TargetUnusable', `restore ${facts.unfinished} began at ${facts.place} and did not end`, {
      hint: 'What is there is not whole. Restore with --overwrite, or drop and create the target anew.',
    });
  if (!facts.empty && !overwrite)
    throw new LifeboatError('TargetNotEmpty', `the target ${facts.place} is not empty`, {
      hint: 'Restore to an empty target, or add --overwrite.',
    });
};
