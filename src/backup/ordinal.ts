import { LifeboatError } from '../errors.ts';
import type { Ordinal } from './types.ts';

/** Highest task number, so that six digits hold it. */
export const ORDINAL_TASK_MAX = 999_999;

/** Highest number of a segment within its task, so that four digits hold it. */
export const ORDINAL_N_MAX = 9_999;

const ORDINAL = /^(\d{6})\.(\d{4})$/;

/** The place of a segment: that of its task, then its own number within the task. Fails with PlanTooLarge past the digits. */
export const ordinal = (task: number, n: number): Ordinal => {
  const text = `${String(task).padStart(6, '0')}.${String(n).padStart(4, '0')}`;
  if (!isOrdinal(text))
    throw new LifeboatError(
      'PlanTooLarge',
      `segment ${n} of task ${task} has no place: tasks end at ${ORDINAL_TASK_MAX}, segments at ${ORDINAL_N_MAX}`,
      {
        hint: 'Raise the chunk size of this source.',
      },
    );
  return text;
};

export const isOrdinal = (text: string): text is Ordinal => ORDINAL.test(text);

export const parseOrdinal = (text: string): { readonly task: number; readonly n: number } | undefined => {
  const parts = ORDINAL.exec(text);
  return parts === null ? undefined : { task: Number(parts[1]), n: Number(parts[2]) };
};
