import { z } from 'zod';

/** What is read of the answers of RDS; everything else in them is ignored. */

export const Tags = z
  .array(z.object({ Key: z.string(), Value: z.string().default('') }))
  .default([])
  .transform((tags): ReadonlyMap<string, string> => new Map(tags.map(({ Key, Value }) => [Key, Value])));

export const InstanceSchema = z
  .object({
    DBInstanceIdentifier: z.string(),
    DBInstanceArn: z.string(),
    DBInstanceStatus: z.string(),
    DBInstanceClass: z.string(),
    Engine: z.string(),
    EngineVersion: z.string(),
    MasterUsername: z.string(),
    DBName: z.string().optional(),
    Endpoint: z.object({ Address: z.string(), Port: z.int() }).optional(),
    AllocatedStorage: z.number().default(0),
    StorageEncrypted: z.boolean().default(false),
    KmsKeyId: z.string().optional(),
    DBClusterIdentifier: z.string().optional(),
    MasterUserSecret: z.object({ SecretArn: z.string().optional(), SecretStatus: z.string().optional() }).optional(),
    TagList: Tags,
  })
  .transform((raw) => ({
    id: raw.DBInstanceIdentifier,
    arn: raw.DBInstanceArn,
    status: raw.DBInstanceStatus,
    instanceClass: raw.DBInstanceClass,
    engine: raw.Engine,
    engineVersion: raw.EngineVersion,
    user: raw.MasterUsername,
    database: raw.DBName,
    endpoint: raw.Endpoint === undefined ? undefined : { host: raw.Endpoint.Address, port: raw.Endpoint.Port },
    bytes: raw.AllocatedStorage * 1024 ** 3,
    encrypted: raw.StorageEncrypted,
    kmsKey: raw.KmsKeyId,
    cluster: raw.DBClusterIdentifier,
    secret: raw.MasterUserSecret?.SecretStatus === 'active' ? raw.MasterUserSecret.SecretArn : undefined,
    hasSecret: raw.MasterUserSecret !== undefined,
    tags: raw.TagList,
  }));
export type Instance = z.output<typeof InstanceSchema>;

export const SnapshotSchema = z
  .object({
    DBSnapshotIdentifier: z.string(),
    DBSnapshotArn: z.string(),
    DBInstanceIdentifier: z.string(),
    Status: z.string(),
    SnapshotType: z.string(),
    Engine: z.string(),
    EngineVersion: z.string(),
    MasterUsername: z.string(),
    PercentProgress: z.number().default(0),
    AllocatedStorage: z.number().default(0),
    Encrypted: z.boolean().default(false),
    KmsKeyId: z.string().optional(),
    /** Absent until the snapshot has really begun. */
    SnapshotCreateTime: z.date().optional(),
    TagList: Tags,
  })
  .transform((raw) => ({
    id: raw.DBSnapshotIdentifier,
    arn: raw.DBSnapshotArn,
    instance: raw.DBInstanceIdentifier,
    status: raw.Status,
    type: raw.SnapshotType,
    engine: raw.Engine,
    engineVersion: raw.EngineVersion,
    user: raw.MasterUsername,
    percent: raw.PercentProgress,
    bytes: raw.AllocatedStorage * 1024 ** 3,
    encrypted: raw.Encrypted,
    kmsKey: raw.KmsKeyId,
    createdAt: raw.SnapshotCreateTime,
    tags: raw.TagList,
  }));
export type Snapshot = z.output<typeof SnapshotSchema>;

export const ExportSchema = z
  .object({ ExportTaskIdentifier: z.string(), Status: z.string(), FailureCause: z.string().optional() })
  .transform((raw) => ({ id: raw.ExportTaskIdentifier, status: raw.Status, why: raw.FailureCause ?? '' }));
export type Export = z.output<typeof ExportSchema>;

/** What is not there yet: look again after so many seconds. */
export interface Later {
  readonly afterSeconds: number;
  /** For people: `snapshot … is creating, 40 %`. */
  readonly what: string;
}

/** A snapshot takes minutes, and DescribeDB* are few calls a second for a whole account. */
export const POLL_SECONDS = 30;

export const later = (what: string): Later => ({ afterSeconds: POLL_SECONDS, what });

export const isLater = (answer: object): answer is Later => 'afterSeconds' in answer;

/** Of a cluster that has been restored and has no instance yet, through which it could be reached. */
export const INCOMPLETE = 'without an instance';
