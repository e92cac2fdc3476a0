import type { DBCluster, DBClusterSnapshot } from '@aws-sdk/client-rds';
import { z } from 'zod';
import { type Instance, InstanceSchema, type Snapshot, SnapshotSchema } from './shapes.ts';

/** What is read of the answers about Aurora clusters: what their fields are called of instances, and then the same. */

export interface Cluster {
  readonly members: readonly { readonly id: string; readonly writer: boolean }[];
  /** As of an instance; its status is that of the cluster alone, and it has no class. */
  readonly server: Instance;
}

const Members = z.array(z.object({ DBInstanceIdentifier: z.string(), IsClusterWriter: z.boolean().default(false) })).default([]);

export const clusterOf = (answer: DBCluster): Cluster => {
  const { DBClusterIdentifier, DBClusterArn, Status, DatabaseName, Endpoint, Port, ...same } = answer;
  return {
    members: Members.parse(answer.DBClusterMembers).map(({ DBInstanceIdentifier: id, IsClusterWriter: writer }) => ({ id, writer })),
    server: InstanceSchema.parse({
      ...same,
      DBInstanceIdentifier: DBClusterIdentifier,
      DBInstanceArn: DBClusterArn,
      DBInstanceStatus: Status,
      DBInstanceClass: '',
      // Aurora grows by itself and says 1 GiB of every cluster.
      AllocatedStorage: 0,
      DBName: DatabaseName,
      Endpoint: Endpoint === undefined || Port === undefined ? undefined : { Address: Endpoint, Port },
    }),
  };
};

export const clusterSnapshotOf = (answer: DBClusterSnapshot): Snapshot => {
  const { DBClusterSnapshotIdentifier, DBClusterSnapshotArn, DBClusterIdentifier, StorageEncrypted, ...same } = answer;
  return SnapshotSchema.parse({
    ...same,
    DBSnapshotIdentifier: DBClusterSnapshotIdentifier,
    DBSnapshotArn: DBClusterSnapshotArn,
    DBInstanceIdentifier: DBClusterIdentifier,
    Encrypted: StorageEncrypted,
  });
};
