import {
  CopyDBSnapshotCommand,
  CreateDBInstanceCommand,
  CreateDBSnapshotCommand,
  DeleteDBInstanceCommand,
  DeleteDBSnapshotCommand,
  DescribeAccountAttributesCommand,
  DescribeDBInstancesCommand,
  DescribeDBSnapshotsCommand,
  DescribeExportTasksCommand,
  ModifyDBInstanceCommand,
  ModifyDBSnapshotAttributeCommand,
  RDSClient,
  RestoreDBInstanceFromDBSnapshotCommand,
  StartExportTaskCommand,
} from '@aws-sdk/client-rds';
import type { Create, Placement, RdsAddress } from './address.ts';
import type { Credentials } from './role.ts';
import { sent, sharing, tagsOf, unless } from './sent.ts';
import { type Export, ExportSchema, type Instance, InstanceSchema, type Snapshot, SnapshotSchema } from './shapes.ts';

/** The calls of RDS that are made, in one region. All fail by name, see errors.ts. */
export interface Api {
  readonly region: string;
  instance(id: string): Promise<Instance | undefined>;
  instances(): AsyncIterable<Instance>;
  /** Of this account by id, of another one by ARN. */
  snapshot(id: string): Promise<Snapshot | undefined>;
  /** False when there is one of this id. */
  createSnapshot(id: string, instance: string, tags: Tags): Promise<boolean>;
  /** False when there is one of this id. `source` is an ARN. */
  copySnapshot(id: string, source: string, kmsKey: string | undefined, tags: Tags): Promise<boolean>;
  shareSnapshot(id: string, accounts: readonly string[]): Promise<void>;
  deleteSnapshot(id: string): Promise<void>;
  /** Manual snapshots that the account has in this region, and may have. */
  snapshotQuota(): Promise<{ readonly used: number; readonly max: number } | undefined>;
  restore(id: string, snapshot: string, placement: Placed, tags: Tags): Promise<void>;
  /** An instance without any data but, if it is named, an empty database. RDS makes its password, and keeps it. */
  create(id: string, what: Create & { readonly database: string | undefined }, placement: Placement, tags: Tags): Promise<void>;
  /** Hands the master password to RDS, which makes a new one and keeps it in Secrets Manager. */
  manageSecret(id: string): Promise<void>;
  deleteInstance(id: string): Promise<void>;
  /** Makes what a restored cluster lacks: an instance. Only for what `instance` says is INCOMPLETE. */
  complete?(id: string, placement: Placement, tags: Tags): Promise<void>;
  exportTask(id: string): Promise<Export | undefined>;
  startExport(id: string, snapshot: string, to: NonNullable<RdsAddress['export']>): Promise<void>;
}

/** `iam`: logins with tokens of IAM are taken. */
export type Placed = Placement & { readonly iam: boolean };

export type Tags = Readonly<Record<string, string>>;

/** Requests that RDS fails by itself are sent again by the SDK, so often at most. */
const ATTEMPTS = 4;

export interface At {
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly credentials?: (() => Promise<Credentials>) | undefined;
}

export const clientAt = ({ region, endpoint, credentials }: At): RDSClient =>
  new RDSClient({
    maxAttempts: ATTEMPTS,
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
  });

export const openApi = async (client: RDSClient): Promise<Api> => {
  const region = await sent('finding the AWS region', () => client.config.region());
  const doing = (what: string) => `${what} in ${region}`;
  return {
    region,
    async instance(id) {
      const found = await unless('DBInstanceNotFound', doing(`looking for instance ${id}`), () =>
        client.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: id })),
      );
      const [instance] = found?.DBInstances ?? [];
      return instance === undefined ? undefined : InstanceSchema.parse(instance);
    },
    async *instances() {
      for (let Marker: string | undefined; ; ) {
        const page = await sent(doing('listing instances'), () => client.send(new DescribeDBInstancesCommand({ Marker })));
        for (const instance of page.DBInstances ?? []) yield InstanceSchema.parse(instance);
        Marker = page.Marker;
        if (Marker === undefined || Marker === '') return;
      }
    },
    async snapshot(id) {
      const found = await unless('DBSnapshotNotFound', doing(`looking for snapshot ${id}`), () =>
        client.send(
          new DescribeDBSnapshotsCommand({ DBSnapshotIdentifier: id, ...(id.startsWith('arn:') ? { IncludeShared: true } : {}) }),
        ),
      );
      const [snapshot] = found?.DBSnapshots ?? [];
      return snapshot === undefined ? undefined : SnapshotSchema.parse(snapshot);
    },
    async createSnapshot(id, instance, tags) {
      const made = await unless('DBSnapshotAlreadyExists', doing(`making snapshot ${id} of ${instance}`), () =>
        client.send(new CreateDBSnapshotCommand({ DBSnapshotIdentifier: id, DBInstanceIdentifier: instance, Tags: tagsOf(tags) })),
      );
      return made !== undefined;
    },
    async copySnapshot(id, source, kmsKey, tags) {
      const made = await unless('DBSnapshotAlreadyExists', doing(`copying ${source} to ${id}`), () =>
        client.send(
          new CopyDBSnapshotCommand({
            SourceDBSnapshotIdentifier: source,
            TargetDBSnapshotIdentifier: id,
            Tags: tagsOf(tags),
            ...(kmsKey === undefined ? {} : { KmsKeyId: kmsKey }),
          }),
        ),
      );
      return made !== undefined;
    },
    async shareSnapshot(id, accounts) {
      const change = { DBSnapshotIdentifier: id, AttributeName: 'restore', ValuesToAdd: [...accounts] };
      await sharing(doing(`sharing snapshot ${id}`), () => client.send(new ModifyDBSnapshotAttributeCommand(change)));
    },
    async deleteSnapshot(id) {
      await unless('DBSnapshotNotFound', doing(`deleting snapshot ${id}`), () =>
        client.send(new DeleteDBSnapshotCommand({ DBSnapshotIdentifier: id })),
      );
    },
    async snapshotQuota() {
      const { AccountQuotas = [] } = await sent(doing('asking for quotas'), () => client.send(new DescribeAccountAttributesCommand({})));
      const quota = AccountQuotas.find(({ AccountQuotaName }) => AccountQuotaName === 'ManualSnapshots');
      return quota?.Used === undefined || quota.Max === undefined ? undefined : { used: quota.Used, max: quota.Max };
    },
    async restore(id, snapshot, placement, tags) {
      const { instanceClass, subnetGroup, securityGroups, parameterGroup, iam } = placement;
      const command = new RestoreDBInstanceFromDBSnapshotCommand({
        DBInstanceIdentifier: id,
        DBSnapshotIdentifier: snapshot,
        Tags: tagsOf(tags),
        PubliclyAccessible: false,
        MultiAZ: false,
        DeletionProtection: false,
        BackupRetentionPeriod: 0,
        CopyTagsToSnapshot: false,
        ...(iam ? { EnableIAMDatabaseAuthentication: true } : {}),
        ...(instanceClass === undefined ? {} : { DBInstanceClass: instanceClass }),
        ...(subnetGroup === undefined ? {} : { DBSubnetGroupName: subnetGroup }),
        ...(securityGroups === undefined ? {} : { VpcSecurityGroupIds: securityGroups }),
        ...(parameterGroup === undefined ? {} : { DBParameterGroupName: parameterGroup }),
      });
      // Another attempt of the same step was faster: whose instance it is, its tags say.
      await unless('DBInstanceAlreadyExists', doing(`restoring snapshot ${snapshot} to ${id}`), () => client.send(command));
    },
    async create(id, { engine, version, storageGb, user, database }, placement, tags) {
      const { instanceClass, subnetGroup, securityGroups, parameterGroup } = placement;
      const command = new CreateDBInstanceCommand({
        DBInstanceIdentifier: id,
        Engine: engine,
        DBInstanceClass: instanceClass,
        AllocatedStorage: storageGb,
        MasterUsername: user,
        ManageMasterUserPassword: true,
        StorageEncrypted: true,
        Tags: tagsOf(tags),
        PubliclyAccessible: false,
        MultiAZ: false,
        DeletionProtection: false,
        BackupRetentionPeriod: 0,
        ...(version === undefined ? {} : { EngineVersion: version }),
        ...(database === undefined ? {} : { DBName: database }),
        ...(subnetGroup === undefined ? {} : { DBSubnetGroupName: subnetGroup }),
        ...(securityGroups === undefined ? {} : { VpcSecurityGroupIds: securityGroups }),
        ...(parameterGroup === undefined ? {} : { DBParameterGroupName: parameterGroup }),
      });
      await unless('DBInstanceAlreadyExists', doing(`making instance ${id}`), () => client.send(command));
    },
    async manageSecret(id) {
      const command = new ModifyDBInstanceCommand({ DBInstanceIdentifier: id, ManageMasterUserPassword: true, ApplyImmediately: true });
      await sent(doing(`making a new password for ${id}`), () => client.send(command));
    },
    async deleteInstance(id) {
      const command = new DeleteDBInstanceCommand({ DBInstanceIdentifier: id, SkipFinalSnapshot: true, DeleteAutomatedBackups: true });
      await unless('DBInstanceNotFound', doing(`deleting instance ${id}`), () => client.send(command));
    },
    async exportTask(id) {
      const found = await unless('ExportTaskNotFound', doing(`looking for export ${id}`), () =>
        client.send(new DescribeExportTasksCommand({ ExportTaskIdentifier: id })),
      );
      const [task] = found?.ExportTasks ?? [];
      return task === undefined ? undefined : ExportSchema.parse(task);
    },
    async startExport(id, snapshot, to) {
      const command = new StartExportTaskCommand({
        ExportTaskIdentifier: id,
        SourceArn: snapshot,
        S3BucketName: to.bucket,
        IamRoleArn: to.role,
        KmsKeyId: to.kmsKey,
        ...(to.prefix === undefined ? {} : { S3Prefix: to.prefix }),
      });
      await unless('ExportTaskAlreadyExists', doing(`exporting ${snapshot}`), () => client.send(command));
    },
  };
};
