import { type ErrorCode, LifeboatError } from '../../errors.ts';
import type { PostgresAddress } from './address.ts';
import { mapError, sqlStateOf } from './errors.ts';

const OUT_OF_MEMORY = '53200';
const UNDEFINED_OBJECT = '42704';
const FEATURE_NOT_SUPPORTED = '0A000';

/** SQLSTATEs that mean something else when it is the target that answers. */
const HINTS: Readonly<Record<string, string>> = {
  [OUT_OF_MEMORY]: 'The schema has more objects than one transaction can lock here: raise max_locks_per_transaction.',
  [UNDEFINED_OBJECT]: 'Create on the target what the backup names but does not hold: roles, tablespaces, collations, extensions.',
  [FEATURE_NOT_SUPPORTED]: 'The target lacks something that the source has: an extension, or a newer version.',
};

/** Codes that errors.ts gives from a source's point of view. */
const OF_A_SOURCE: ReadonlySet<ErrorCode> = new Set(['SourceChanged', 'SourceProblem', 'TargetProblem', 'PermissionDenied']);

/** The error of a restore for what `pg` raised; `doing` names the thing: `creating index public.t_pkey`. */
export const targetError = (error: unknown, address: PostgresAddress, doing: string): LifeboatError => {
  if (error instanceof LifeboatError && !OF_A_SOURCE.has(error.code)) return error;
  const cause = error instanceof LifeboatError ? error.cause : error;
  const mapped = mapError(cause, { address, doing, otherwise: 'TargetProblem' });
  if (mapped.code === 'PermissionDenied') {
    return new LifeboatError('PermissionDenied', mapped.message, {
      hint: 'Restore as the owner of the database, or as a superuser.',
      cause,
    });
  }
  if (mapped.code !== 'SourceChanged' && mapped.code !== 'TargetProblem') return mapped;
  return new LifeboatError('RestoreFailed', mapped.message, { hint: HINTS[sqlStateOf(cause) ?? ''] ?? '', cause });
};
