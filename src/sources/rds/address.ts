import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';

/** As RDS has it: 1 to 63 letters, digits and single hyphens, a letter first. */
const Identifier = z
  .string()
  .max(63)
  .regex(/^[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*$/, 'expected the identifier of a DB instance');

const Account = z.string().regex(/^\d{12}$/, 'expected the number of an AWS account');
const KeyArn = z.string().regex(/^arn:aws[\w-]*:kms:[\w-]+:\d{12}:(key|alias)\/\S+$/, 'expected the ARN of a KMS key');

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
export const RdsAddressSchema = z.strictObject({
  instance: Identifier,
  cluster: z.boolean().default(false).describe('Aurora: "instance" names a DB cluster.'),
  region: z.string().optional().describe('Absent: that of the environment (AWS_REGION).'),
  endpoint: z.url().optional().describe('Of an RDS API other than that of AWS.'),
  /** `snapshot`: a DB snapshot is the backup. `clone-dump`: a logical dump of a temporary clone of one, with digests. */
  mode: z.enum(['snapshot', 'clone-dump']).default('snapshot'),
  database: z.string().min(1).optional().describe('Absent: the one that the instance was made with.'),
  user: z.string().min(1).optional().describe('Absent: the master user.'),
  password: z.string().optional().describe('Reference. Absent: RDS makes a new one for the temporary instance, in Secrets Manager.'),
  sslmode: z.enum(['disable', 'require', 'verify-ca', 'verify-full']).default('verify-full'),
  sslrootcert: z.string().optional().describe("PEM file with Amazon's certificates for RDS."),
  fernetKey: z.string().optional().describe("Reference to OpenMetadata's FERNET_KEY."),
  placement: PlacementSchema.prefault({}),
  copies: z.array(z.strictObject({ region: z.string(), kmsKey: KeyArn.optional() })).default([]),
  share: z.strictObject({ accounts: z.array(Account).min(1), kmsKey: KeyArn.optional() }).optional(),
  export: z.strictObject({ bucket: z.string(), prefix: z.string().optional(), role: z.string(), kmsKey: KeyArn }).optional(),
});

export type RdsAddress = z.output<typeof RdsAddressSchema>;

const PARAMETERS = ['cluster', 'region', 'mode', 'database', 'user', 'sslmode', 'sslrootcert', 'endpoint'] as const;

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

export const redact = ({ instance, region }: RdsAddress): string => `rds://${instance}${region === undefined ? '' : `?region=${region}`}`;
