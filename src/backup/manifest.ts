import { z } from 'zod';
import { LifeboatError } from '../errors.ts';
import { decodeRecord, encodeRecord, invalid, type RecordKind } from './canonical.ts';
import {
  BackupIdSchema,
  ClassDigestSchema,
  CountsSchema,
  JsonSchema,
  SecondsSchema,
  SegmentSchema,
  SourceNameSchema,
  TextSchema,
  TimeSchema,
} from './schemas.ts';
import type { BackupId, Manifest, Receipt, Segment } from './types.ts';

/** Of manifests, proofs and lifeboat.json. Raised only by what an older reader would get wrong; new fields do not raise it. */
export const FORMAT_VERSION = 1;

/** Some 100 000 segments and 1 000 classes; what reads a manifest holds it in memory. */
export const MANIFEST_MAX_BYTES = 64 * 1024 * 1024;

/** One task's segments and class digests, and at most 64 KiB of facts. */
export const RECEIPT_MAX_BYTES = 16 * 1024 * 1024;

/** What a target needs beyond the segments; a schema of thousands of tables fits. */
export const DETAILS_MAX_BYTES = 1024 * 1024;

export const ManifestSchema = z
  .object({
    formatVersion: z.literal(FORMAT_VERSION),
    tool: TextSchema,
    backup: BackupIdSchema,
    execution: TextSchema,
    source: z.object({
      name: SourceNameSchema,
      kind: z.string().min(1).max(40),
      product: TextSchema,
      version: TextSchema,
      place: TextSchema,
      content: TextSchema,
    }),
    pointInTime: z.object({ consistency: z.enum(['snapshot', 'quiesced', 'fuzzy']), at: TimeSchema, token: JsonSchema }),
    startedAt: TimeSchema,
    sealedAt: TimeSchema,
    artifact: z.object({ format: TextSchema, restoreWith: TextSchema }),
    segments: z
      .array(SegmentSchema)
      .refine((segments) => segments.some((segment) => segment.role === 'artifact'), 'no segment is of the artifact'),
    digests: z.array(ClassDigestSchema),
    assertions: z.array(z.object({ name: TextSchema, value: TextSchema })),
    details: JsonSchema,
    notIncluded: CountsSchema,
    horizon: z.object({ at: TimeSchema, why: TextSchema }).optional(),
    timings: z.record(TextSchema, SecondsSchema),
    previous: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'not 64 hex digits')
      .nullable(),
  })
  .check(({ value, issues }) => {
    const misplaced = outOfOrder(value.segments);
    if (misplaced !== undefined)
      issues.push(issue(value, ['segments', misplaced, 'ordinal'], `${value.segments[misplaced]?.ordinal} is not after the one before it`));
    const key = firstTwice(value.segments.map((segment) => segment.key));
    if (key !== undefined) issues.push(issue(value, ['segments'], `${key} is listed twice`));
    const name = firstTwice(value.digests.map((digest) => digest.name));
    if (name !== undefined) issues.push(issue(value, ['digests'], `class ${name} is listed twice`));
  });

export const ReceiptSchema = z.object({
  task: z.int().nonnegative(),
  part: z.int().nonnegative(),
  segments: z.array(SegmentSchema),
  digests: z.array(ClassDigestSchema),
  facts: JsonSchema.optional(),
  next: z.object({ cursor: TextSchema, afterSeconds: SecondsSchema.optional() }).optional(),
});

const issue = (input: unknown, path: (string | number)[], message: string) => ({ code: 'custom' as const, input, path, message });

/** Index of the first segment of the artifact whose ordinal is not above that of the one before it. */
const outOfOrder = (segments: readonly Segment[]): number | undefined => {
  let last = '';
  for (const [index, { role, ordinal }] of segments.entries()) {
    if (role !== 'artifact') continue;
    if (ordinal <= last) return index;
    last = ordinal;
  }
  return undefined;
};

const firstTwice = (values: readonly string[]): string | undefined => {
  const seen = new Set<string>();
  return values.find((value) => seen.has(value) || !seen.add(value));
};

const MANIFEST: RecordKind<Manifest> = { what: 'manifest', schema: ManifestSchema, maxBytes: MANIFEST_MAX_BYTES };
const RECEIPT: RecordKind<Receipt> = { what: 'receipt', schema: ReceiptSchema, maxBytes: RECEIPT_MAX_BYTES };

/** Canonical bytes, newline at the end. Fails with ManifestInvalid on what no reader would accept. */
export const encodeManifest = (manifest: Manifest): Uint8Array => {
  const details = Buffer.byteLength(JSON.stringify(manifest.details) ?? '');
  if (details > DETAILS_MAX_BYTES)
    throw new LifeboatError(
      'RecordTooLarge',
      `the details of backup ${manifest.backup} have ${details} bytes, more than ${DETAILS_MAX_BYTES}`,
    );
  return encodeRecord(MANIFEST, manifest);
};

/** Fails with FormatTooNew, or ManifestInvalid that names the field; `at` is where it lay, when that is known. */
export const decodeManifest = (bytes: Uint8Array, at?: { readonly source: string; readonly backup: BackupId }): Manifest => {
  const manifest = decodeRecord(MANIFEST, bytes, (json) => checkFormatVersion('manifest', json));
  if (at !== undefined) checkPlace(manifest, at);
  return manifest;
};

export const encodeReceipt = (receipt: Receipt): Uint8Array => encodeRecord(RECEIPT, receipt);

export const decodeReceipt = (bytes: Uint8Array): Receipt => decodeRecord(RECEIPT, bytes);

export const checkFormatVersion = (what: string, json: unknown): void => {
  const version = typeof json === 'object' && json !== null && 'formatVersion' in json ? json.formatVersion : undefined;
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) throw invalid(what, 'formatVersion: not a version');
  if (version > FORMAT_VERSION)
    throw new LifeboatError('FormatTooNew', `the ${what} has format version ${version}, this reads up to ${FORMAT_VERSION}`, {
      hint: 'It was written by a newer Lifeboat: upgrade this one and try again.',
    });
};

const checkPlace = ({ source, backup }: Manifest, at: { readonly source: string; readonly backup: BackupId }): void => {
  if (source.name !== at.source)
    throw invalid('manifest', `source.name: it is of ${source.name} and lies with the backups of ${at.source}`);
  if (backup !== at.backup) throw invalid('manifest', `backup: it is ${backup} and lies at ${at.backup}`);
};
