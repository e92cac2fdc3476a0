import { z } from 'zod';

/** Documents `from` up to but not including `to` of one index; `to` is null for its end. */
export const RangeSchema = z.strictObject({
  index: z.string(),
  primaryKey: z.string().nullable(),
  from: z.int().nonnegative(),
  to: z.int().positive().nullable(),
  /** When the plan saw the index change last: a range of a larger index holds only as long as that is so. */
  updatedAt: z.string(),
  /** Bytes of a document, as far as the server knows. */
  documentBytes: z.number().nonnegative(),
});
export type Range = z.output<typeof RangeSchema>;

export const DumpTaskSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('instance') }),
  z.strictObject({ kind: z.literal('settings'), indexes: z.array(z.string()).min(1) }),
  z.strictObject({ kind: z.literal('documents'), ...RangeSchema.shape }),
  z.strictObject({ kind: z.literal('file') }),
]);
export type DumpTask = z.output<typeof DumpTaskSchema>;
