import { z } from 'zod';

/** CloudWatch keeps logs for these numbers of days only. */
const LOG_DAYS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653] as const;

const Account = z.string().regex(/^\d{12}$/, 'expected the 12 digits of an AWS account');
const Region = z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'expected an AWS region such as eu-central-1');
const KeyArn = z.string().regex(/^arn:aws:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]+$/, 'expected the ARN of a KMS key, not of an alias');
const id = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}-[0-9a-f]{8,17}$`), `expected an id such as ${prefix}-0123456789abcdef0`);

/** In full, so that nothing is looked up: a synthesis needs no credentials. */
const Vpc = z
  .strictObject({
    id: id('vpc'),
    availabilityZones: z.array(z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/, 'expected a zone such as eu-central-1a')).min(1),
    subnets: z.array(id('subnet')).min(1).describe('Private subnets, one a zone, in the order of availabilityZones.'),
    securityGroups: z.array(id('sg')).min(1).describe('Of the functions; the databases must let them in.'),
    routeTables: z.array(id('rtb')).optional().describe('Of the subnets, in their order; needed to make the S3 endpoint.'),
    endpoints: z
      .enum(['present', 'create'])
      .default('present')
      .describe('The way from the subnets to S3, Secrets Manager and Step Functions: there already (endpoints or NAT), or to be made.'),
  })
  .refine((vpc) => vpc.subnets.length === vpc.availabilityZones.length, {
    error: 'expected as many as availabilityZones',
    path: ['subnets'],
  })
  .refine((vpc) => vpc.endpoints === 'present' || vpc.routeTables?.length === vpc.subnets.length, {
    error: 'expected one for each subnet, because endpoints is create',
    path: ['routeTables'],
  });

const Kms = z.strictObject({
  key: KeyArn.optional().describe('Of stores, logs and notifications; one is made when absent.'),
  secretKeys: z.array(KeyArn).optional().describe('Customer keys that the secrets are encrypted with; none for aws/secretsmanager.'),
  databaseKeys: z
    .array(KeyArn)
    .optional()
    .describe('Customer keys that databases in RDS are encrypted with, and so what is restored of their snapshots; none for aws/rds.'),
});

const Replication = z.strictObject({
  bucket: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'expected the name of a bucket')
    .describe('Versioned, made beforehand.'),
  account: Account,
  region: Region,
  key: KeyArn.describe('Of the replica; in its region.'),
});

const Webhook = z
  .strictObject({
    url: z
      .string()
      .regex(/^secretsmanager:arn:aws:secretsmanager:\S+$/, 'expected secretsmanager:<arn>: whoever has the URL can write there')
      .describe('Reference to the URL.'),
    format: z.enum(['slack', 'ping']).default('slack').describe('slack: POST {"text": …}. ping: GET, for a dead man\'s switch.'),
    on: z.enum(['failure', 'success', 'always']).default('failure'),
    about: z.array(z.string()).min(1).optional().describe('Names of machines or alarms, such as prod-catalog-backup; all when absent.'),
  })
  .refine(({ format, on }) => format !== 'ping' || on === 'success', {
    error: "expected success: a dead man's switch that failures ping, too, never notices that backups stay away",
    path: ['on'],
  });

const Notifications = z.strictObject({
  emails: z.array(z.email()).optional(),
  webhooks: z.array(Webhook).optional(),
  alsoOnSuccess: z.boolean().optional().describe('Mails of executions that ended well, too.'),
});

/** What a function has beyond its step's own measure. */
const FunctionSize = z.strictObject({
  memoryMb: z.int().min(128).max(10_240).optional(),
  temporaryMb: z.int().min(512).max(10_240).optional().describe('Of /tmp.'),
  reservedConcurrency: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe("Invocations at the same time, taken from the account's limit; concurrency of a source is the usual bound."),
});

const Prefix = z.string().regex(/^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\/\S+$/, 'expected s3://bucket/prefix');

/** What a product keeps in S3 itself, which its address does not name: the namespaces of lakeFS repositories. */
const Storage = z.strictObject({
  read: z.array(Prefix).default([]).describe('Where the source has its objects.'),
  write: z.array(Prefix).default([]).describe('Where its restores and drills put theirs.'),
  keys: z.array(KeyArn).default([]).describe('That these are encrypted with.'),
});

/** What only `cdk deploy` reads. Its retention and Object Lock stand with the store. */
export const DeploymentSchema = z
  .strictObject({
    account: Account,
    region: Region,
    vpc: Vpc.optional().describe('Where the functions run that reach a database; without one they run outside of any VPC.'),
    kms: Kms.optional(),
    replication: Replication.optional(),
    notifications: Notifications.optional(),
    functions: z.record(z.string(), FunctionSize).optional().describe('By step: dump-task, load-task, …'),
    storage: z.record(z.string(), Storage).optional().describe('By source: buckets of its own, beside the store.'),
    logDays: z.literal(LOG_DAYS).default(90),
    coldAfterDays: z.int().min(30).max(3650).optional().describe('Segments this old go to Glacier Instant Retrieval.'),
    runbook: z.url().optional().describe('Where docs/runbook.md is read; alarms link to its sections.'),
  })
  .describe('What `cdk deploy` makes; the command line does not read it.');

export type Deployment = z.output<typeof DeploymentSchema>;
