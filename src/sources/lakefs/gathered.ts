import { z } from 'zod';
import type { Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { StageContext } from '../contract.ts';
import { IdsSchema } from './rest/api.ts';
import { CopiedSchema, DumpFactsSchema } from './tasks.ts';

/** `details` of a manifest: what a target needs beyond the segments. */
export const DetailsSchema = z.object({
  ids: IdsSchema,
  repository: z.object({
    name: z.string(),
    namespace: z.string(),
    defaultBranch: z.string(),
    storageId: z.string(),
    readOnly: z.boolean(),
  }),
  counts: z.object({ branches: z.int(), tags: z.int(), commits: z.int() }),
  /** Of some branches, among them the default one. */
  heads: z.record(z.string(), z.string()),
  settings: z.object({ hidden: z.int(), protection: z.int(), pulls: z.int(), metadata: z.int(), rules: z.boolean() }),
  uncommitted: z.int(),
  metadataPrefix: z.string(),
  /** Of this backup's own copying; `listed` counts what several ranges share once for each task. */
  copied: CopiedSchema,
  movedBranches: z.int(),
});
export type Details = z.output<typeof DetailsSchema>;

/** All that the receipts of the dump say. */
export const gather = async (context: StageContext, metadataPrefix: string): Promise<Details> => {
  const copied = { objects: 0, bytes: 0, listed: 0, listedBytes: 0, external: 0, externalCopied: 0 };
  let known: Partial<Details> = {};
  let [uncommitted, movedBranches] = [0, 0];
  for await (const { facts: json } of context.receipts('dump')) {
    if (json === undefined) continue;
    const facts = DumpFactsSchema.parse(json);
    const { ids, repository, counts, heads, settings } = facts;
    known = {
      ...known,
      ...(ids && { ids }),
      ...(repository && { repository }),
      ...(counts && { counts }),
      ...(heads && { heads }),
      ...(settings && { settings }),
    };
    uncommitted += facts.uncommitted?.changes ?? 0;
    movedBranches += facts.uncommitted?.movedBranches ?? 0;
    for (const name of ['objects', 'bytes', 'listed', 'listedBytes', 'external', 'externalCopied'] as const)
      copied[name] += facts.copied?.[name] ?? 0;
  }
  const details = DetailsSchema.safeParse({ ...known, uncommitted, movedBranches, copied, metadataPrefix });
  if (details.success) return details.data;
  throw new LifeboatError('BackupIncomplete', 'the receipts of the dump lack the refs of the repository', { cause: details.error });
};

export const detailsOf = (manifest: Manifest): Details => {
  const details = DetailsSchema.safeParse(manifest.details);
  if (details.success) return details.data;
  throw new LifeboatError('ManifestInvalid', `backup ${manifest.backup} is not one of lakeFS`, { cause: details.error });
};
