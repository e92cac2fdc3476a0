import { z } from 'zod';

/** Rows of one table: `from` is in the range, `to` is not; null is without end. The first range has the NULLs. */
export const PieceSchema = z.strictObject({ table: z.string(), from: z.string().nullable(), to: z.string().nullable() });

export type Piece = z.output<typeof PieceSchema>;

/** What becomes one segment; its place in the list is its place in the artifact. What is read `underLock` is for lane 0. */
export const ChunkSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('tables') }),
  z.strictObject({ kind: z.literal('rows'), pieces: z.array(PieceSchema).min(1), underLock: z.boolean().default(false) }),
  z.strictObject({ kind: z.literal('facts') }),
  z.strictObject({ kind: z.literal('objects') }),
]);

export type Chunk = z.output<typeof ChunkSchema>;

/** One lane: a connection that lives at the same instant as the others, and takes chunks from the list that all of them have. */
export const LaneTaskSchema = z.strictObject({
  lane: z.int().nonnegative(),
  lanes: z.int().positive(),
  /** Definition of each table when the backup was planned, by name. */
  tables: z.record(z.string(), z.string()),
  chunks: z.array(ChunkSchema).min(1),
});

export type LaneTask = z.output<typeof LaneTaskSchema>;
