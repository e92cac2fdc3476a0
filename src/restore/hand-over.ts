import type { Failure } from '../backup/failures.ts';
import { withHint } from '../backup/failures.ts';
import { LifeboatError } from '../errors.ts';
import type { Target } from '../sources/contract.ts';
import type { Concluded } from './conclude.ts';
import type { RestoreRecord } from './record.ts';

type Restored = NonNullable<RestoreRecord['restored']>;

/**
 * Tells whoever restored a system by other means how it was found. It holds what it holds: nothing says what its rows should be, so it
 * passes when it could be read from end to end and every check of its own holds.
 */
export const handOver = async (target: Target, { job }: Restored, concluded: Concluded): Promise<Concluded> => {
  const { checks, failed } = concluded;
  const ok = checks > 0 && failed.length === 0;
  const message = ok
    ? `every row was read, and ${checks} checks hold; whether the rows are the right ones was not measured`
    : `${failed.length} of ${checks} checks failed: ${failed.join(', ')}`;
  await told(target, job, ok, message);
  return { ...concluded, verdict: ok ? 'PASSED' : 'FAILED' };
};

/** A system that could not be looked at has not been validated. */
export const handOverFailure = (target: Target, { job }: Restored, failure: Failure): Promise<void> =>
  told(target, job, false, `${failure.code}: ${withHint(failure)}`);

const told = async (target: Target, job: string, ok: boolean, message: string): Promise<void> => {
  if (target.handOver === undefined)
    throw new LifeboatError('Unsupported', 'nobody restores systems of this kind but Lifeboat', { hint: 'Only those of kind rds.' });
  await target.handOver(job, { ok, message });
};
