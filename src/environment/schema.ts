import { z } from 'zod';
import type { AnyKind } from '../sources/system.ts';
import { DeploymentSchema } from './deployment.ts';

/** Of sources and targets: a folder of the store, and part of a state machine's execution names. */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9-]{0,39}$/;

/** Distributed Map's own limit is 10 000; more invocations than this at once would only queue at the source. */
const CONCURRENCY_MAX = 1000;

const Name = z.string().regex(NAME_PATTERN, 'expected a name of a-z, 0-9 and -, at most 40 characters');

const isTimezone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
};

const Schedule = z
  .string()
  .regex(
    /^(cron\(\S+( \S+){5}\)|rate\([1-9]\d* (minute|hour|day)s?\))$/,
    'expected an EventBridge schedule: cron(30 1 * * ? *) or rate(1 day)',
  )
  .describe('EventBridge Scheduler expression: cron(30 1 * * ? *) or rate(1 day).');

const StoreOptions = {
  region: z.string().optional().describe('AWS region of the bucket.'),
  endpoint: z.url().optional().describe('Of an S3-compatible server.'),
  forcePathStyle: z.boolean().optional().describe('For S3-compatible servers without a name per bucket.'),
  requestChecksumCalculation: z
    .enum(['WHEN_SUPPORTED', 'WHEN_REQUIRED'])
    .optional()
    .describe('WHEN_REQUIRED for S3-compatible servers that refuse checksum headers.'),
  objectLock: z
    .strictObject({ mode: z.enum(['GOVERNANCE', 'COMPLIANCE']), days: z.int().min(1).max(36500) })
    .optional()
    .describe('Default retention of the bucket that `cdk deploy` makes.'),
};

const StoreUrl = z
  .string()
  .regex(/^(s3:\/\/[a-z0-9][a-z0-9.-]+(\/\S*)?|file:\/\/(\/|\.)\S*)$/, 'expected s3://bucket/prefix, file:///path or file://./path')
  .describe('s3://bucket/prefix or file:///path; file://./path is below the project.');

const StorePlace = z.union([StoreUrl, z.strictObject({ url: StoreUrl, ...StoreOptions })]);

const Kept = z.int().min(1).max(10_000).optional();

export const RetentionSchema = z
  .strictObject({ last: Kept, daily: Kept, weekly: Kept, monthly: Kept, minimum: Kept })
  .refine((policy) => [policy.last, policy.daily, policy.weekly, policy.monthly].some((kept) => (kept ?? 0) > 0), {
    error: 'expected at least one of last, daily, weekly, monthly; a policy that keeps nothing is refused',
  })
  .describe('How many backups are kept; the newest proven one always is.');

const Goals = z
  .strictObject({
    rtoSeconds: z.number().positive().optional().describe('A restore may take this long.'),
    rpoSeconds: z.number().positive().optional().describe('A backup may be this old.'),
  })
  .describe('What a drill is judged against.');

/** What all sources share, whatever their kind. */
const Common = z.strictObject({
  concurrency: z.int().min(1).max(CONCURRENCY_MAX).optional().describe('Tasks at the same time.'),
  schedule: Schedule.optional(),
  timezone: z
    .string()
    .refine(isTimezone, 'expected an IANA time zone such as Europe/Zurich')
    .optional()
    .describe('Of every schedule of this source; default UTC.'),
  retention: RetentionSchema.optional(),
  drill: z
    .strictObject({
      schedule: Schedule.optional(),
      selection: z.enum(['latest', 'oldest', 'random', 'never-drilled']).optional(),
      scratch: z
        .union([Name, z.looseObject({ kind: z.string() })])
        .optional()
        .describe('Name of a target, or an address of its own, where drills restore to.'),
      goals: Goals.optional(),
    })
    .optional(),
  restore: z.strictObject({ target: Name.optional() }).optional().describe('Where a restore goes when nothing else is said.'),
});

export type Common = z.infer<typeof Common>;
export type Retention = z.infer<typeof RetentionSchema>;

/** Splits an entry of the file into what all sources share and the kind's own address. */
export const COMMON_FIELDS: readonly string[] = Object.keys(Common.shape);
export const CommonSchema = Common;

const Embedded = z
  .strictObject({
    postgres: z.strictObject({ port: z.int().min(1024).max(65535), folder: z.string().min(1) }),
  })
  .describe('A PostgreSQL server that Lifeboat starts on this machine while a command needs it; folder is below the project.');

const Entry = z.looseObject({ kind: z.string() });

/** The file, except for the fields that belong to a kind; those are checked by the kind. */
export const FileSchema = z.strictObject({
  $schema: z.string().optional(),
  description: z.string().optional(),
  store: StorePlace,
  control: StorePlace.optional().describe('For what is short-lived or replaced; default <store>/.control.'),
  embedded: Embedded.optional(),
  deployment: DeploymentSchema.optional(),
  sources: z.record(Name, Entry).default({}),
  targets: z.record(Name, Entry).default({}),
});

export type EnvironmentFile = z.infer<typeof FileSchema>;

type JsonSchema = Record<string, unknown>;

/** The JSON Schema of an environment file, for editors: environments/schema.json. */
export const environmentJsonSchema = (kinds: readonly AnyKind[]): JsonSchema => {
  const { $schema, ...file } = jsonSchema(FileSchema);
  const properties = { ...record(file['properties']) };
  properties['sources'] = named(kinds.map((kind) => entrySchema(kind, record(jsonSchema(Common)['properties']))));
  properties['targets'] = named(kinds.map((kind) => entrySchema(kind, {})));
  return { $schema, title: 'Lifeboat environment', ...file, properties };
};

const jsonSchema = (schema: z.ZodType): JsonSchema => ({ ...z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) });

const named = (entries: readonly JsonSchema[]): JsonSchema => ({
  type: 'object',
  propertyNames: { pattern: NAME_PATTERN.source },
  additionalProperties: entries.length === 1 ? entries[0] : { oneOf: entries },
});

const entrySchema = (kind: AnyKind, common: JsonSchema): JsonSchema => {
  const { $schema: _, ...address } = jsonSchema(kind.addressSchema);
  const own = { kind: { type: 'string', const: kind.kind } };
  if (address['type'] !== 'object') return { allOf: [{ type: 'object', properties: { ...own, ...common }, required: ['kind'] }, address] };
  const required = Array.isArray(address['required']) ? address['required'] : [];
  return {
    ...address,
    properties: { ...own, ...record(address['properties']), ...common },
    required: ['kind', ...required],
    additionalProperties: false,
  };
};

const record = (value: unknown): JsonSchema => (typeof value === 'object' && value !== null ? { ...value } : {});
