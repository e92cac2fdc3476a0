import { z } from 'zod';
import type { Assertion, PointInTime } from '../../backup/types.ts';
import { type Sequence, SequenceSchema } from './sequences.ts';

/** A piece of one class: the columns of a very wide table come in several. */
export const TableFactsSchema = z.strictObject({
  class: z.string(),
  schema: z.string(),
  name: z.string(),
  partitioned: z.boolean(),
  /** Of a configuration table of an extension: which rows count, as `WHERE …`. */
  condition: z.string(),
  /** A partition of it lies on another server, and is not in the backup. */
  foreign: z.boolean(),
  columns: z.array(z.string()),
  generated: z.array(z.string()),
});

export type TableFacts = z.output<typeof TableFactsSchema>;

export const ServerFactsSchema = z.object({
  version: z.string(),
  versionNumber: z.int(),
  database: z.string(),
  encoding: z.string(),
  collate: z.string(),
  ctype: z.string(),
  /** `c` libc, `i` ICU, `b` built-in; `locale` is of the last two. */
  localeProvider: z.string(),
  locale: z.string().nullable(),
  /** Owners and grantees: they must be there before the artifact is loaded. */
  roles: z.array(z.object({ name: z.string(), login: z.boolean() })),
  memberships: z.array(z.object({ role: z.string(), member: z.string() })),
  extensions: z.array(z.object({ name: z.string(), version: z.string() })),
});

export type ServerFacts = z.output<typeof ServerFactsSchema>;

/** `facts` of the receipts of the dump. */
export const DumpFactsSchema = z.strictObject({
  instant: z.object({ consistency: z.enum(['snapshot', 'quiesced', 'fuzzy']), at: z.string(), token: z.json() }).optional(),
  server: ServerFactsSchema.optional(),
  tables: z.array(TableFactsSchema).optional(),
  sequences: z.array(SequenceSchema).optional(),
  assertions: z.array(z.object({ name: z.string(), value: z.string() })).optional(),
  notIncluded: z.record(z.string(), z.string()).optional(),
});

export interface DumpFacts {
  readonly instant?: PointInTime | undefined;
  readonly server?: ServerFacts | undefined;
  readonly tables?: readonly TableFacts[] | undefined;
  readonly sequences?: readonly Sequence[] | undefined;
  readonly assertions?: readonly Assertion[] | undefined;
  readonly notIncluded?: Readonly<Record<string, string>> | undefined;
}

/** `details` of the manifest. */
export const DetailsSchema = z.object({
  server: ServerFactsSchema,
  tables: z.array(TableFactsSchema),
  sequences: z.array(SequenceSchema),
});

export type Details = z.output<typeof DetailsSchema>;
