import { z } from 'zod';
import { PassedSchema } from './passed.ts';

export const ServerFactsSchema = z.strictObject({
  product: z.enum(['MariaDB', 'MySQL']),
  version: z.string(),
  versionNumber: z.int(),
  database: z.string(),
  /** Of the database: a restored one gets the same. */
  charset: z.string(),
  collation: z.string(),
});

export type ServerFacts = z.output<typeof ServerFactsSchema>;

export const AssertionSchema = z.object({ name: z.string(), value: z.string() });

/** `facts` of a lane's receipt. */
export const LaneFactsSchema = z.strictObject({
  lane: z.int(),
  /** How many chunks there are, and which of them this lane has. */
  of: z.int(),
  chunks: z.array(z.int()),
  /** Of lane 0. */
  passed: PassedSchema.optional(),
  /** Of the lane that took the chunk with the facts. */
  server: ServerFactsSchema.optional(),
  assertions: z.array(AssertionSchema).optional(),
  notIncluded: z.record(z.string(), z.string()).optional(),
});

export type LaneFacts = z.output<typeof LaneFactsSchema>;

/** `details` of the manifest. */
export const DetailsSchema = z.object({ server: ServerFactsSchema, passed: PassedSchema });

export type Details = z.output<typeof DetailsSchema>;
