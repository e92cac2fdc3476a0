import { z } from 'zod';
import { bucketsSum } from './buckets.ts';
import { isBackupId } from './id.ts';
import { isSourceName, segmentKeyStart } from './layout.ts';
import { isOrdinal } from './ordinal.ts';
import type { BackupId, Json, Ordinal } from './types.ts';

/** Longest text of one field that people read, in UTF-16 units. */
const TEXT_MAX = 16 * 1024;

export const TextSchema = z.string().max(TEXT_MAX);
export const TimeSchema = z.iso.datetime({ offset: true });
export const SecondsSchema = z.number().nonnegative();
export const SourceNameSchema = z.string().refine(isSourceName, 'not a source name');
export const BackupIdSchema = z.custom<BackupId>((value) => typeof value === 'string' && isBackupId(value), 'not a backup id');
export const OrdinalSchema = z.custom<Ordinal>((value) => typeof value === 'string' && isOrdinal(value), 'not an ordinal (NNNNNN.NNNN)');
/** Only ever asked about what JSON.parse made, or what is about to become JSON. */
export const JsonSchema = z.custom<Json>(
  (value) => value !== undefined && typeof value !== 'function' && typeof value !== 'bigint',
  'not JSON',
);

const CountSchema = z.string().regex(/^(0|[1-9]\d{0,19})$/, 'not a count');
const HashSchema = z.string().regex(/^[0-9a-f]{32}$/, 'not 32 hex digits');
const BytesSchema = z.int().nonnegative();

export const CountsSchema = z.record(TextSchema, CountSchema);

export const SegmentSchema = z
  .object({
    key: z.string().regex(/^segments\/[!-.0-~]{1,200}$/, 'not a key below segments/'),
    versionId: z.string().min(1).max(1024).optional(),
    ordinal: OrdinalSchema,
    role: z.enum(['artifact', 'inventory']),
    encoding: z.enum(['zstd', 'gzip', 'deflate-raw-flushed', 'identity']),
    bytes: BytesSchema,
    rawBytes: BytesSchema,
    sha256: z.string().regex(/^[0-9a-f]{64}$/, 'not 64 hex digits'),
    rawCrc32: z.int().min(0).max(0xffffffff).optional(),
    context: JsonSchema.optional(),
  })
  .refine((segment) => segment.key.startsWith(segmentKeyStart(segment.ordinal, segment.sha256)), {
    path: ['key'],
    message: 'it names another ordinal or sha256 than its segment has',
  });

export const ClassDigestSchema = z
  .object({
    name: z.string().min(1).max(TEXT_MAX),
    rows: CountSchema,
    digest: HashSchema,
    shape: HashSchema,
    buckets: z.string().max(8 * 1024),
  })
  .refine((one) => bucketsSum(one.buckets) === one.digest, { path: ['buckets'], message: 'their sum is not the digest' });

export const CheckSchema = z.object({
  name: TextSchema,
  expected: TextSchema,
  actual: TextSchema,
  ok: z.boolean(),
  class: TextSchema.optional(),
});
