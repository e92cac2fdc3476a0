import type { Verdict } from '../backup/types.ts';
import type { ErrorCode } from '../errors.ts';

/** The steps of a drill that can fail. */
export const STEPS = ['provision', 'restore', 'audit', 'control', 'discard'] as const;
export type Step = (typeof STEPS)[number];

export interface Evidence {
  /** `faulty`: the backup itself stopped the restore. `unknown`: something else did, and of the backup nothing is known. */
  readonly restore: 'done' | 'faulty' | 'unknown';
  /** null: it did not end. */
  readonly audit: Verdict | null;
  /** `not-run`: nothing was damaged, or the audit did not look at the damage. */
  readonly control: 'ok' | 'failed' | 'not-run';
  /** False when a goal that was measured was missed. */
  readonly goalsMet: boolean;
}

/**
 * The one place that decides. Whatever was seen to be wrong makes it FAILED; PASSED needs an audit that passed and the proof that it
 * can fail; the rest has measured nothing.
 */
export const decide = ({ restore, audit, control, goalsMet }: Evidence): Verdict => {
  if (restore === 'faulty' || audit === 'FAILED' || control === 'failed' || !goalsMet) return 'FAILED';
  return restore === 'done' && audit === 'PASSED' && control === 'ok' ? 'PASSED' : 'NOT_MEASURED';
};

/** Errors that speak of the backup's own bytes and content, by the step that met them; any other says nothing of the backup. */
const FAULTS: Readonly<Record<Step, ReadonlySet<string>>> = {
  provision: new Set(),
  restore: new Set<ErrorCode>([
    'ManifestInvalid',
    'SegmentMismatch',
    'SegmentTooLarge',
    'ArtifactInvalid',
    'DigestMismatch',
    'CountMismatch',
    'NoSuchObject',
    'BackupIncomplete',
    'RestoreFailed',
  ]),
  audit: new Set<ErrorCode>(['DigestMismatch', 'CountMismatch']),
  control: new Set(),
  discard: new Set(),
};

/** True when this error is a finding about the backup, and not about the machine, the network or the checker. */
export const isFault = (step: Step, code: string): boolean => FAULTS[step].has(code);
