import { z } from 'zod';
import { decodeRecord, encodeRecord, type RecordKind } from './canonical.ts';
import { checkFormatVersion, FORMAT_VERSION } from './manifest.ts';
import { BackupIdSchema, CheckSchema, SecondsSchema, SourceNameSchema, TextSchema, TimeSchema } from './schemas.ts';
import type { Proof } from './types.ts';

/** Some ten thousand checks. */
export const PROOF_MAX_BYTES = 16 * 1024 * 1024;

export const ProofSchema = z.object({
  formatVersion: z.literal(FORMAT_VERSION),
  drill: z.string().min(1).max(200),
  source: SourceNameSchema,
  kind: z.string().min(1).max(40),
  backup: BackupIdSchema,
  execution: TextSchema,
  verdict: z.enum(['PASSED', 'FAILED', 'NOT_MEASURED']),
  startedAt: TimeSchema,
  endedAt: TimeSchema,
  scratch: TextSchema,
  rtoSeconds: SecondsSchema.nullable(),
  rpoSeconds: z.number(),
  goals: z.object({ rtoSeconds: SecondsSchema.optional(), rpoSeconds: SecondsSchema.optional() }),
  phases: z.array(z.object({ name: TextSchema, seconds: SecondsSchema })),
  checks: z.array(CheckSchema),
  control: z.object({ what: z.array(TextSchema), expected: z.array(TextSchema), failed: z.array(TextSchema), ok: z.boolean() }).nullable(),
  notMeasured: z.array(z.object({ what: TextSchema, why: TextSchema })),
  failure: z.object({ code: TextSchema, message: TextSchema, hint: TextSchema }).nullable(),
  seed: z.number(),
  why: TextSchema.optional(),
});

const PROOF: RecordKind<Proof> = { what: 'proof', schema: ProofSchema, maxBytes: PROOF_MAX_BYTES };

/** Canonical bytes, newline at the end. Fails with ManifestInvalid on what no reader would accept. */
export const encodeProof = (proof: Proof): Uint8Array => encodeRecord(PROOF, proof);

/** Fails with FormatTooNew or ManifestInvalid. */
export const decodeProof = (bytes: Uint8Array): Proof => decodeRecord(PROOF, bytes, (json) => checkFormatVersion('proof', json));
