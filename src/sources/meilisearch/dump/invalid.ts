import type { z } from 'zod';
import { LifeboatError } from '../../../errors.ts';

/** A dump that Meilisearch would refuse, or that must not be read. */
export const invalid = (what: string, hint = 'Make or copy the dump again.', cause?: unknown): LifeboatError =>
  new LifeboatError('ArtifactInvalid', what, { hint, ...(cause === undefined ? {} : { cause }) });

/** Fails with ArtifactInvalid, which names `what` and the field. */
export const schemaChecked = <T>(schema: z.ZodType<T>, value: unknown, what: string): T => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw invalid(`${what}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim());
};
