import { z } from 'zod';
import { LifeboatError } from '../errors.ts';

/** What a Map hands to one child: where its task is written down. */
export const TaskLineSchema = z.strictObject({
  task: z.int().nonnegative(),
  key: z.string(),
  start: z.int().nonnegative(),
  end: z.int().positive(),
});
export type TaskLine = z.infer<typeof TaskLineSchema>;

const IndexSchema = z.strictObject({
  key: z.string(),
  ranges: z.array(z.strictObject({ start: z.int().nonnegative(), end: z.int().positive() })),
  resume: z.string().nullable(),
});

/** What one invocation of planning wrote: the object with its tasks and where each of them lies in it. */
export type IndexPart = z.infer<typeof IndexSchema>;

export const encodeIndex = (index: IndexPart): Uint8Array => Buffer.from(`${JSON.stringify(index)}\n`);

export const decodeIndex = (value: unknown, key: string): IndexPart => {
  const parsed = IndexSchema.safeParse(value);
  if (!parsed.success) throw new LifeboatError('TaskMissing', `the plan at ${key} cannot be read: ${parsed.error.message}`);
  return parsed.data;
};
