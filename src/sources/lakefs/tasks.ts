import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import type { StageContext } from '../contract.ts';
import { TokenSchema } from './open.ts';
import { type Ids, IdsSchema, Sha } from './rest/api.ts';

/** A range, and a commit that has it: what an object of it can be asked for by. */
const RangeTaskSchema = z.tuple([Sha, Sha]);

export const DumpTaskSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('settings') }),
  z.strictObject({ kind: z.literal('uncommitted') }),
  z.strictObject({ kind: z.literal('refs') }),
  z.strictObject({ kind: z.literal('metadata'), files: z.array(Sha) }),
  z.strictObject({ kind: z.literal('objects'), ranges: z.array(RangeTaskSchema) }),
]);
export type DumpTask = z.output<typeof DumpTaskSchema>;

/** `listed` counts what several tasks share once for each of them; `external` what was imported, `externalCopied` what of it is in the pool. */
export const CopiedSchema = z.object({
  objects: z.int(),
  bytes: z.int(),
  listed: z.int(),
  listedBytes: z.int(),
  external: z.int(),
  /** Absent in backups of before there was a choice. */
  externalCopied: z.int().default(0),
});

/** What the tasks say besides segments and digests, for `conclude`. */
export const DumpFactsSchema = z.object({
  ids: IdsSchema.optional(),
  repository: z
    .object({ name: z.string(), namespace: z.string(), defaultBranch: z.string(), storageId: z.string(), readOnly: z.boolean() })
    .optional(),
  counts: z.object({ branches: z.int(), tags: z.int(), commits: z.int() }).optional(),
  /** Heads of some branches by name, to be asked again after a restore. */
  heads: z.record(z.string(), z.string()).optional(),
  settings: z.object({ hidden: z.int(), protection: z.int(), pulls: z.int(), metadata: z.int(), rules: z.boolean() }).optional(),
  uncommitted: z.object({ changes: z.int(), movedBranches: z.int() }).optional(),
  copied: CopiedSchema.optional(),
});
export type DumpFacts = z.output<typeof DumpFactsSchema>;

/** What a segment holds; the restore finds it by this. */
export const SegmentContextSchema = z.object({
  kind: z.enum(['refs', 'script', 'settings', 'uncommitted', 'objects', 'external']),
  /** Of `objects`: first and last key, so that a sweep reads only what it needs. */
  first: z.string().optional(),
  last: z.string().optional(),
  count: z.int().optional(),
  /** Of `objects` that no commit reaches through the namespace: a restore leaves copies of imported objects in the pool. */
  of: z.enum(['imported', 'uncommitted']).optional(),
});

/** A line of an inventory: an object of the pool. */
export const InventoryLineSchema = z.object({ key: z.string(), bytes: z.int().nonnegative() });
export type InventoryLine = z.output<typeof InventoryLineSchema>;

/** A line of `external`: an object that was imported. `key` is that of its copy in the pool, where there is one. */
export const ExternalLineSchema = z.object({ address: z.string(), bytes: z.int().nonnegative(), key: z.string().optional() });

/** What was dumped, from the newest token. */
export const idsOf = async (context: StageContext): Promise<Ids> => {
  const [newest] = await context.instants();
  const token = TokenSchema.safeParse(newest?.token);
  if (token.success) return token.data.ids;
  throw new LifeboatError('InstantLost', 'the ids of the dumped refs are not written down');
};
