import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';

/** As RDS has it: 1 to 63 letters, digits and single hyphens, a letter first. */
const Identifier = z
  .string()
  .max(63)
  .regex(/^[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*$/, 'expected the identifier of a DB instance');

const Account = z.string().regex(/^\d{12}$/, 'expected the number of an AWS account');
const KeyArn = z.string().regex(/^arn:aws[\w-]*:kms:[\w-]+:\d{12}:(key|alias)\/\S+$/, 'expected the ARN of a KMS key');

const RoleArn = z.string().regex(/^arn:aws[\w-]*:iam::\d{12}:role\/\S+$/, 'expected the ARN of an IAM role');

/** A copy of each snapshot: in another region, or, made by a role of it, in another account. */
const CopySchema = z.strictObject({
  region: z.string(),
  kmsKey: KeyArn.optional().describe('Of that region and, with a role, of that account.'),
  role: RoleArn.optional().describe('Of another account, which makes the copy and owns it.'),
  externalId: z.string().min(2).max(1224).optional().describe("That the role's trust policy asks for."),
  keep: z.boolean().default(false).describe('Retention leaves the copy alone; the role needs no right to delete.'),
});

/** Where a temporary instance lives: the clone of a dump, the scratch instance of a drill, a restored instance. */
const PlacementSchema = z.strictObject({
  instanceClass: z.string().optional().describe('Absent: that of the source.'),
  subnetGroup: z.string().optional().describe('DB subnet group; the default VPC when absent.'),
  securityGroups: z.array(z.string()).optional().describe('Let in the functions of Lifeboat, and nothing else.'),
  parameterGroup: z.string().optional(),
  /** Hours after which whoever tidies up removes it, whatever became of its owner. */
  ttlHours: z.number().positive().max(720).default(24),
});
export type Placement = z.output<typeof PlacementSchema>;

/**
 * A DB instance. As a source: what is backed up. As a target: the name that a restore gives to a new instance; a drill makes one
 * of its own, with this placement.
 */
/** An instance that holds nothing yet: where a backup of rows is restored to. */
const CreateSchema = z.strictObject({
  engine: z.enum(['postgres', 'mysql', 'mariadb']),
  version: z.string().optional().describe('As RDS has it: 17 or 17.6. Absent: the default of RDS.'),
  storageGb: z.int().min(20).max(65_536).default(20).describe('At least what the database takes, indexes included.'),
  user: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,30}$/, 'expected a-z, 0-9 and _, at most 31 characters')
    .default('lifeboat')
    .describe('Its master user.'),
});
export type Create = z.output<typeof CreateSchema>;

const Fields = z.strictObject({
  instance: Identifier,
  cluster: z.boolean().default(false).describe('Aurora: "instance" names a DB cluster.'),
  region: z.string().optional().describe('Absent: that of the environment (AWS_REGION).'),
  endpoint: z.url().optional().describe('Of an RDS API other than that of AWS.'),
  /** `snapshot`: a DB snapshot is the backup. `clone-dump`: a logical dump of a temporary clone of one, with digests. */
  mode: z.enum(['snapshot', 'clone-dump']).default('snapshot'),
  database: z.string().min(1).optional().describe('Absent: the one that the instance was made with.'),
  user: z.string().min(1).optional().describe('Absent: the master user.'),
  auth: z.enum(['password', 'iam']).default('password').describe('iam: temporary instances take tokens of IAM, for a user with rds_iam.'),
  password: z.string().optional().describe('Reference. Absent: RDS makes a new one for the temporary instance, in Secrets Manager.'),
  sslmode: z.enum(['disable', 'require', 'verify-ca', 'verify-full']).default('verify-full'),
  sslrootcert: z.string().optional().describe("PEM file. Absent: Amazon's authorities of RDS, which come with Lifeboat."),
  fernetKey: z.string().optional().describe("Reference to OpenMetadata's FERNET_KEY."),
  placement: PlacementSchema.prefault({}),
  restoreTesting: z
    .string()
    .regex(/^arn:aws[\w-]*:backup:[\w-]+:\d{12}:restore-testing-plan:\S+$/, 'expected the ARN of a restore testing plan')
    .optional()
    .describe('Of a drill target: what this plan of AWS Backup restores is audited, and AWS Backup is told.'),
  create: CreateSchema.optional().describe('Of a target: an empty instance is made, for backups of kind postgres or mysql and of clones.'),
  copies: z.array(CopySchema).default([]),
  share: z
    .strictObject({ accounts: z.array(Account).default([]), kmsKey: KeyArn.optional() })
    .optional()
    .describe('Accounts that may copy the snapshot, beside those of roles in copies, and the key that they may use.'),
  export: z.strictObject({ bucket: z.string(), prefix: z.string().optional(), role: z.string(), kmsKey: KeyArn }).optional(),
});

export const RdsAddressSchema = Fields.superRefine(({ auth, user, password, sslmode, create, cluster, placement }, context) => {
  const fail = (field: string, message: string): void => context.addIssue({ code: 'custom', path: [field], message });
  if (create !== undefined) {
    if (cluster) fail('create', 'makes an instance, and cluster is true');
    if (placement.instanceClass === undefined) fail('placement', 'has no instanceClass, and create needs one');
    if (auth === 'iam' || user !== undefined || password !== undefined)
      fail('create', 'makes a user of its own, whose password RDS keeps; auth, user and password belong elsewhere');
  }
  if (auth !== 'iam') return;
  if (user === undefined) fail('auth', 'is iam and no user is named; it takes one that was granted rds_iam');
  if (password !== undefined) fail('auth', 'is iam beside a password; it takes one or the other');
  if (sslmode === 'disable') fail('auth', 'is iam and sslmode disable; a token goes over TLS only');
});

export type RdsAddress = z.output<typeof RdsAddressSchema>;

const PARAMETERS = ['cluster', 'region', 'mode', 'database', 'user', 'auth', 'sslmode', 'sslrootcert', 'endpoint'] as const;

/** `rds://<instance>?region=eu-central-1&mode=clone-dump`; fails with Usage. */
export const addressFromUrl = (url: URL): RdsAddress => {
  for (const name of url.searchParams.keys())
    if (!PARAMETERS.some((known) => known === name))
      throw new LifeboatError('Usage', `unknown parameter "${name}" of rds://${url.hostname}`, {
        hint: `Known are ${PARAMETERS.join(', ')}.`,
      });
  if (url.username !== '' || url.password !== '' || url.pathname.length > 1)
    throw new LifeboatError('Usage', `rds://${url.hostname} has a user, a password or a path`, {
      hint: 'It is rds://<instance>; the database is ?database=.',
    });
  const parsed = RdsAddressSchema.safeParse({
    instance: url.hostname,
    ...Object.fromEntries(url.searchParams),
    cluster: url.searchParams.get('cluster') === 'true',
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new LifeboatError('Usage', `${issue?.path.join('.') ?? 'url'} of rds://${url.hostname} is not valid`, {
    hint: issue?.message ?? '',
  });
};

const RESOURCE = /^arn:aws[\w-]*:rds:([\w-]+):\d{12}:(db|cluster):([\w-]+)$/;

/** An instance or a cluster that AWS Backup restored: looked at, and never changed. */
export const restoredAddress = (address: RdsAddress, resource: string): RdsAddress => {
  const [, region, kind, instance] = RESOURCE.exec(resource) ?? [];
  if (region === undefined || instance === undefined)
    throw new LifeboatError('Usage', `${resource} is not the ARN of an RDS instance or cluster`);
  const { create: _, ...rest } = address;
  return { ...rest, region, instance, cluster: kind === 'cluster' };
};

export const redact = ({ instance, region }: RdsAddress): string => `rds://${instance}${region === undefined ? '' : `?region=${region}`}`;
