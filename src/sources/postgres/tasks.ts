import { z } from 'zod';

/** A range of pages of one table; `to` is null for the last one, which has no end. */
export const ChunkSchema = z.strictObject({
  oid: z.number(),
  schema: z.string(),
  name: z.string(),
  pages: z.strictObject({ from: z.number(), to: z.number().nullable() }),
});

export type Chunk = z.output<typeof ChunkSchema>;

/** One task of the dump. Everything else that it needs is read from the catalogue, at the instant. */
export const DumpTaskSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('schema'), section: z.enum(['pre-data', 'post-data']) }),
  z.strictObject({ kind: z.literal('data'), chunks: z.array(ChunkSchema).min(1) }),
  z.strictObject({ kind: z.literal('sequences') }),
  z.strictObject({ kind: z.literal('facts') }),
]);

export type DumpTask = z.output<typeof DumpTaskSchema>;
export type Section = Extract<DumpTask, { kind: 'schema' }>['section'];
