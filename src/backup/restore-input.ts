import { LifeboatError } from '../errors.ts';
import type { StageContext, StageInput } from '../sources/contract.ts';
import type { Manifest, Segment } from './types.ts';

export type RestoreInput = Extract<StageInput, { kind: 'restore' }>;

export const restoreInput = (context: Pick<StageContext, 'input'>): RestoreInput => {
  if (context.input.kind === 'restore') return context.input;
  throw new Error('a stage of a restore was run within a backup');
};

/** Fails with ManifestInvalid when the manifest has no such segment. */
export const segmentAt = (manifest: Manifest, ordinal: string): Segment => {
  const segment = manifest.segments.find((candidate) => candidate.ordinal === ordinal);
  if (segment !== undefined) return segment;
  throw new LifeboatError('ManifestInvalid', `the manifest has no segment ${ordinal}`);
};
