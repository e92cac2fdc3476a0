import { LifeboatError } from '../../../errors.ts';

/** A dump that Meilisearch would refuse, or that must not be read. */
export const invalid = (what: string, hint = 'Make or copy the dump again.', cause?: unknown): LifeboatError =>
  new LifeboatError('ArtifactInvalid', what, { hint, ...(cause === undefined ? {} : { cause }) });
