import { z } from 'zod';

/** What the receipts of the dump say, for seal and conclude. */
export const DocumentsFactsSchema = z.object({
  kind: z.literal('documents'),
  index: z.string(),
  primaryKey: z.string().nullable(),
  /** Of the index, before and after it was read. */
  updatedAt: z.string(),
  /** The same when the backup was planned. */
  planned: z.string(),
  /** Times that it was read. */
  reads: z.int(),
  bytes: z.number(),
  documents: z.int(),
});
export type DocumentsFacts = z.output<typeof DocumentsFactsSchema>;

export const InstanceFactsSchema = z.object({
  kind: z.literal('instance'),
  version: z.string(),
  at: z.string(),
  waiting: z.int(),
  named: z.array(z.string()),
  keys: z.int(),
  /** A key's uid and the start of the sha256 of its value: says later whether a master key is the same. */
  keyPrint: z.object({ uid: z.string(), print: z.string() }).nullable(),
  /** Kinds of secrets that are in the dump, and places of those that the server did not show. */
  holds: z.array(z.string()).default([]),
  missing: z.array(z.string()).default([]),
  notIncluded: z.record(z.string(), z.string()),
  assertions: z.array(z.object({ name: z.string(), value: z.string() })),
});
export type InstanceFacts = z.output<typeof InstanceFactsSchema>;

/** Places of secrets that are named; more are counted. */
export const MISSING_NAMED = 100;

export const SettingsFactsSchema = z.object({ kind: z.literal('settings'), redacted: z.int(), missing: z.array(z.string()).default([]) });

export const FileFactsSchema = z.object({
  kind: z.literal('file'),
  version: z.string(),
  at: z.string(),
  dumpUid: z.string(),
  holds: z.array(z.string()).default([]),
  keys: z.int(),
  tasks: z.int(),
  /** Of those, the ones that waited or ran. */
  waiting: z.int().default(0),
});

export const DumpFactsSchema = z.discriminatedUnion('kind', [
  DocumentsFactsSchema,
  InstanceFactsSchema,
  SettingsFactsSchema,
  FileFactsSchema,
]);

/** What `show` says of secrets: kinds of those that are in the artifact, places of those that are not. Never a value. */
const SecretsSchema = z.object({ holds: z.array(z.string()), missing: z.array(z.string()) });

/** Details of the manifest. */
export const DetailsSchema = z.object({
  mode: z.enum(['api', 'server']),
  version: z.string(),
  keyPrint: z.object({ uid: z.string(), print: z.string() }).nullable(),
  secrets: SecretsSchema.default({ holds: [], missing: [] }),
  /** As they were read; a search that was recorded at another state of its index is not compared. */
  indexes: z.array(z.object({ uid: z.string(), primaryKey: z.string().nullable(), updatedAt: z.string() })),
});
export type Details = z.output<typeof DetailsSchema>;
