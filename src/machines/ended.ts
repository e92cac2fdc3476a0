import { errorOf, failureOfCaught } from '../backup/failures.ts';
import type { Json } from '../backup/types.ts';
import { LifeboatError } from '../errors.ts';

/** How an execution ended, whoever ran it. */
export interface Ended {
  /** ARN. */
  readonly execution: string;
  readonly outcome:
    | { readonly status: 'SUCCEEDED'; readonly output: Json }
    | { readonly status: 'FAILED' | 'TIMED_OUT' | 'ABORTED'; readonly error: string; readonly cause: string };
}

export interface Succeeded {
  readonly execution: string;
  readonly output: Json;
}

/** The input of a machine: at least the source. */
export type MachineInput = { readonly source: string } & { readonly [key: string]: Json };

/** The output of an execution that succeeded; else fails with the error that its machine ended with. */
export const succeeded = ({ execution, outcome }: Ended): Succeeded => {
  if (outcome.status === 'SUCCEEDED') return { execution, output: outcome.output };
  if (outcome.status === 'ABORTED')
    throw new LifeboatError('Interrupted', 'interrupted', { hint: 'Nothing that was good is lost; run it again.' });
  throw errorOf(failureOfCaught({ Error: outcome.error, Cause: outcome.cause }));
};
