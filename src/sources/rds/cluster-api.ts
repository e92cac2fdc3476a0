import {
  CopyDBClusterSnapshotCommand,
  CreateDBClusterSnapshotCommand,
  CreateDBInstanceCommand,
  DeleteDBClusterCommand,
  DeleteDBClusterSnapshotCommand,
  DescribeAccountAttributesCommand,
  DescribeDBClusterSnapshotsCommand,
  DescribeDBClustersCommand,
  ModifyDBClusterCommand,
  ModifyDBClusterSnapshotAttributeCommand,
  type RDSClient,
  RestoreDBClusterFromSnapshotCommand,
} from '@aws-sdk/client-rds';
import { LifeboatError } from '../../errors.ts';
import type { Api } from './api.ts';
import { type Cluster, clusterOf, clusterSnapshotOf } from './cluster-shapes.ts';
import { sent, sharing, tagsOf, unless } from './sent.ts';
import { INCOMPLETE, type Instance, type Snapshot } from './shapes.ts';

/** Aurora: the same calls, of clusters. What is restored is a cluster without instances, and gets one. */
export const openClusterApi = (client: RDSClient, instances: Api): Api => {
  const { region } = instances;
  const doing = (what: string) => `${what} in ${region}`;
  const find = async (id: string): Promise<Cluster | undefined> => {
    const found = await unless('DBClusterNotFound', doing(`looking for cluster ${id}`), () =>
      client.send(new DescribeDBClustersCommand({ DBClusterIdentifier: id })),
    );
    const [cluster] = found?.DBClusters ?? [];
    return cluster === undefined ? undefined : clusterOf(cluster);
  };
  const findSnapshot = async (id: string): Promise<Snapshot | undefined> => {
    const shared = id.startsWith('arn:') ? { IncludeShared: true } : {};
    const found = await unless('DBClusterSnapshotNotFound', doing(`looking for snapshot ${id}`), () =>
      client.send(new DescribeDBClusterSnapshotsCommand({ DBClusterSnapshotIdentifier: id, ...shared })),
    );
    const [snapshot] = found?.DBClusterSnapshots ?? [];
    return snapshot === undefined ? undefined : clusterSnapshotOf(snapshot);
  };
  /** A cluster is of use once an instance of it is. */
  const asInstance = async ({ server, members }: Cluster): Promise<Instance> => {
    if (server.status !== 'available') return server;
    const first = members.find(({ writer }) => writer) ?? members[0];
    if (first === undefined) return { ...server, status: INCOMPLETE };
    const member = await instances.instance(first.id);
    return { ...server, status: member?.status ?? INCOMPLETE, instanceClass: member?.instanceClass ?? '' };
  };
  return {
    ...instances,
    async instance(id) {
      const cluster = await find(id);
      return cluster === undefined ? undefined : asInstance(cluster);
    },
    async *instances() {
      for (let Marker: string | undefined; ; ) {
        const page = await sent(doing('listing clusters'), () => client.send(new DescribeDBClustersCommand({ Marker })));
        for (const cluster of page.DBClusters ?? []) yield clusterOf(cluster).server;
        Marker = page.Marker;
        if (Marker === undefined || Marker === '') return;
      }
    },
    snapshot: findSnapshot,
    async createSnapshot(id, cluster, tags) {
      const command = new CreateDBClusterSnapshotCommand({
        DBClusterSnapshotIdentifier: id,
        DBClusterIdentifier: cluster,
        Tags: tagsOf(tags),
      });
      const made = await unless('DBClusterSnapshotAlreadyExists', doing(`making snapshot ${id} of ${cluster}`), () => client.send(command));
      return made !== undefined;
    },
    async copySnapshot(id, source, kmsKey, tags) {
      const command = new CopyDBClusterSnapshotCommand({
        SourceDBClusterSnapshotIdentifier: source,
        TargetDBClusterSnapshotIdentifier: id,
        Tags: tagsOf(tags),
        ...(kmsKey === undefined ? {} : { KmsKeyId: kmsKey }),
      });
      return (
        (await unless('DBClusterSnapshotAlreadyExists', doing(`copying ${source} to ${id}`), () => client.send(command))) !== undefined
      );
    },
    async shareSnapshot(id, accounts) {
      const change = { DBClusterSnapshotIdentifier: id, AttributeName: 'restore', ValuesToAdd: [...accounts] };
      await sharing(doing(`sharing snapshot ${id}`), () => client.send(new ModifyDBClusterSnapshotAttributeCommand(change)));
    },
    async deleteSnapshot(id) {
      const command = new DeleteDBClusterSnapshotCommand({ DBClusterSnapshotIdentifier: id });
      await unless('DBClusterSnapshotNotFound', doing(`deleting snapshot ${id}`), () => client.send(command));
    },
    async snapshotQuota() {
      const { AccountQuotas = [] } = await sent(doing('asking for quotas'), () => client.send(new DescribeAccountAttributesCommand({})));
      const quota = AccountQuotas.find(({ AccountQuotaName }) => AccountQuotaName === 'ManualClusterSnapshots');
      return quota?.Used === undefined || quota.Max === undefined ? undefined : { used: quota.Used, max: quota.Max };
    },
    async restore(id, snapshot, { subnetGroup, securityGroups, parameterGroup, iam }, tags) {
      const known = await findSnapshot(snapshot);
      if (known === undefined)
        throw new LifeboatError('NoSuchObject', `there is no snapshot ${snapshot} in ${region}`, {
          hint: 'The snapshot was deleted by somebody else than Lifeboat; its backup is lost.',
        });
      const command = new RestoreDBClusterFromSnapshotCommand({
        DBClusterIdentifier: id,
        SnapshotIdentifier: snapshot,
        Engine: known.engine,
        EngineVersion: known.engineVersion,
        Tags: tagsOf(tags),
        DeletionProtection: false,
        CopyTagsToSnapshot: false,
        ...(iam ? { EnableIAMDatabaseAuthentication: true } : {}),
        ...(subnetGroup === undefined ? {} : { DBSubnetGroupName: subnetGroup }),
        ...(securityGroups === undefined ? {} : { VpcSecurityGroupIds: securityGroups }),
        ...(parameterGroup === undefined ? {} : { DBClusterParameterGroupName: parameterGroup }),
      });
      await unless('DBClusterAlreadyExists', doing(`restoring snapshot ${snapshot} to cluster ${id}`), () => client.send(command));
    },
    async complete(id, { instanceClass }, tags) {
      const cluster = await find(id);
      if (cluster === undefined) return;
      if (instanceClass === undefined)
        throw new LifeboatError('ConfigInvalid', `no instance class is named for cluster ${id}`, {
          hint: 'Name one under placement.instanceClass.',
        });
      const command = new CreateDBInstanceCommand({
        DBInstanceIdentifier: memberOf(id),
        DBClusterIdentifier: id,
        DBInstanceClass: instanceClass,
        Engine: cluster.server.engine,
        PubliclyAccessible: false,
        Tags: tagsOf(tags),
      });
      await unless('DBInstanceAlreadyExists', doing(`making an instance of cluster ${id}`), () => client.send(command));
    },
    async manageSecret(id) {
      const command = new ModifyDBClusterCommand({ DBClusterIdentifier: id, ManageMasterUserPassword: true, ApplyImmediately: true });
      await sent(doing(`making a new password for ${id}`), () => client.send(command));
    },
    /** Its instances first: a cluster with instances that are not going cannot go. */
    async deleteInstance(id) {
      const cluster = await find(id);
      for (const member of cluster?.members ?? []) {
        const instance = await instances.instance(member.id);
        if (instance !== undefined && instance.status !== 'deleting') await instances.deleteInstance(member.id);
      }
      const command = new DeleteDBClusterCommand({ DBClusterIdentifier: id, SkipFinalSnapshot: true, DeleteAutomatedBackups: true });
      await unless('DBClusterNotFound', doing(`deleting cluster ${id}`), () => client.send(command));
    },
  };
};

/** At most 63 characters. */
const memberOf = (cluster: string): string => `${cluster.slice(0, 61)}-1`;
