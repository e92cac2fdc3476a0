import { z } from 'zod';
import type { Instance, Snapshot } from './shapes.ts';
import { Tags } from './shapes.ts';

/** What is read of the answers about Aurora clusters, in the words of instances. */

export const ClusterSchema = z
  .object({
    DBClusterIdentifier: z.string(),
    DBClusterArn: z.string(),
    Status: z.string(),
    Engine: z.string(),
    EngineVersion: z.string(),
    MasterUsername: z.string(),
    DatabaseName: z.string().optional(),
    Endpoint: z.string().optional(),
    Port: z.int().optional(),
    AllocatedStorage: z.number().default(0),
    StorageEncrypted: z.boolean().default(false),
    KmsKeyId: z.string().optional(),
    DBClusterMembers: z.array(z.object({ DBInstanceIdentifier: z.string(), IsClusterWriter: z.boolean().default(false) })).default([]),
    MasterUserSecret: z.object({ SecretArn: z.string().optional(), SecretStatus: z.string().optional() }).optional(),
    TagList: Tags,
  })
  .transform((raw) => ({
    members: raw.DBClusterMembers.map(({ DBInstanceIdentifier: id, IsClusterWriter: writer }) => ({ id, writer })),
    /** As of an instance; its status is that of the cluster alone. */
    server: {
      id: raw.DBClusterIdentifier,
      arn: raw.DBClusterArn,
      status: raw.Status,
      instanceClass: '',
      engine: raw.Engine,
      engineVersion: raw.EngineVersion,
      user: raw.MasterUsername,
      database: raw.DatabaseName,
      endpoint: raw.Endpoint === undefined || raw.Port === undefined ? undefined : { host: raw.Endpoint, port: raw.Port },
      bytes: raw.AllocatedStorage * 1024 ** 3,
      encrypted: raw.StorageEncrypted,
      kmsKey: raw.KmsKeyId,
      cluster: undefined,
      secret: raw.MasterUserSecret?.SecretStatus === 'active' ? raw.MasterUserSecret.SecretArn : undefined,
      hasSecret: raw.MasterUserSecret !== undefined,
      tags: raw.TagList,
    } satisfies Instance,
  }));
export type Cluster = z.output<typeof ClusterSchema>;

export const ClusterSnapshotSchema = z
  .object({
    DBClusterSnapshotIdentifier: z.string(),
    DBClusterSnapshotArn: z.string(),
    DBClusterIdentifier: z.string(),
    Status: z.string(),
    SnapshotType: z.string(),
    Engine: z.string(),
    EngineVersion: z.string(),
    MasterUsername: z.string(),
    PercentProgress: z.number().default(0),
    AllocatedStorage: z.number().default(0),
    StorageEncrypted: z.boolean().default(false),
    KmsKeyId: z.string().optional(),
    SnapshotCreateTime: z.date().optional(),
    TagList: Tags,
  })
  .transform(
    (raw): Snapshot => ({
      id: raw.DBClusterSnapshotIdentifier,
      arn: raw.DBClusterSnapshotArn,
      instance: raw.DBClusterIdentifier,
      status: raw.Status,
      type: raw.SnapshotType,
      engine: raw.Engine,
      engineVersion: raw.EngineVersion,
      user: raw.MasterUsername,
      percent: raw.PercentProgress,
      bytes: raw.AllocatedStorage * 1024 ** 3,
      encrypted: raw.StorageEncrypted,
      kmsKey: raw.KmsKeyId,
      createdAt: raw.SnapshotCreateTime,
      tags: raw.TagList,
    }),
  );
