import {
  CopyDBSnapshotCommand,
  CreateDBSnapshotCommand,
  DeleteDBInstanceCommand,
  DescribeDBInstancesCommand,
  DescribeDBSnapshotsCommand,
  ModifyDBInstanceCommand,
  ModifyDBSnapshotAttributeCommand,
  RDSClient,
  RestoreDBInstanceFromDBSnapshotCommand,
} from '@aws-sdk/client-rds';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { query } from '../../support/postgres.ts';
import { defaultKey } from '../../support/rds-double/state.ts';
import { ACCOUNT, type RdsDouble, REGION, startRdsDouble } from '../../support/rds-double.ts';
import { waitFor } from './waiting.ts';

// Real clusters are copied and started.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let double: RdsDouble;
let url: string;
beforeAll(async () => {
  // Long enough to be seen on a machine that is busy.
  double = await startRdsDouble({ durations: { pending: 1000 } });
  url = (await double.addInstance('sea', { dbName: 'postgres', kmsKey: defaultKey({ region: REGION, account: ACCOUNT }) })).url;
  await query(url, "CREATE TABLE boats (name text); INSERT INTO boats VALUES ('one'), ('two')");
});
afterAll(() => double.stop());

const client = (region = REGION, key = 'test') =>
  new RDSClient({ endpoint: double.endpoint, region, credentials: { accessKeyId: key, secretAccessKey: 'x' }, maxAttempts: 1 });

const snapshotStatus = async (id: string, at = client()) =>
  (await at.send(new DescribeDBSnapshotsCommand({ DBSnapshotIdentifier: id }))).DBSnapshots?.[0];
const instanceOf = async (id: string) =>
  (await client().send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: id }))).DBInstances?.[0];

const names = async (port: number, password: string): Promise<string[]> => {
  const session = new Client({ host: '127.0.0.1', port, user: 'postgres', password, database: 'postgres' });
  await session.connect();
  try {
    return (await session.query('SELECT name FROM boats ORDER BY 1')).rows.map(({ name }) => name);
  } finally {
    await session.end();
  }
};

describe('the RDS double, as the SDK sees it', () => {
  it('goes from creating to available, and a restore shows the moment of the snapshot', async () => {
    const made = await client().send(
      new CreateDBSnapshotCommand({ DBInstanceIdentifier: 'sea', DBSnapshotIdentifier: 'first', Tags: [{ Key: 'a:b', Value: 'c' }] }),
    );
    expect(made.DBSnapshot).toMatchObject({
      Status: 'creating',
      SnapshotType: 'manual',
      DBSnapshotArn: `arn:aws:rds:${REGION}:${ACCOUNT}:snapshot:first`,
    });
    await expect(
      client().send(new RestoreDBInstanceFromDBSnapshotCommand({ DBInstanceIdentifier: 'early', DBSnapshotIdentifier: 'first' })),
    ).rejects.toMatchObject({
      name: 'InvalidDBSnapshotStateFault',
    });
    const ready = await waitFor(
      async () => snapshotStatus('first'),
      (snapshot) => snapshot?.Status === 'available',
    );
    expect(ready?.TagList).toEqual([{ Key: 'a:b', Value: 'c' }]);
    expect(ready?.SnapshotCreateTime).toBeInstanceOf(Date);
    await query(url, "INSERT INTO boats VALUES ('late')");
    const restored = await client().send(
      new RestoreDBInstanceFromDBSnapshotCommand({
        DBInstanceIdentifier: 'copy',
        DBSnapshotIdentifier: 'first',
        VpcSecurityGroupIds: ['sg-1', 'sg-2'],
      }),
    );
    expect(restored.DBInstance).toMatchObject({ DBInstanceStatus: 'creating', MasterUsername: 'postgres' });
    expect(restored.DBInstance?.Endpoint).toBeUndefined();
    await expect(
      client().send(new DeleteDBInstanceCommand({ DBInstanceIdentifier: 'copy', SkipFinalSnapshot: true })),
    ).rejects.toMatchObject({
      name: 'InvalidDBInstanceStateFault',
    });
    const up = await waitFor(
      () => instanceOf('copy'),
      (instance) => instance?.DBInstanceStatus === 'available',
    );
    expect(up?.VpcSecurityGroups?.map(({ VpcSecurityGroupId }) => VpcSecurityGroupId)).toEqual(['sg-1', 'sg-2']);
    const old = new URL(url).password;
    expect(await names(up?.Endpoint?.Port ?? 0, old)).toEqual(['one', 'two']);
    await client().send(
      new ModifyDBInstanceCommand({ DBInstanceIdentifier: 'copy', ManageMasterUserPassword: true, ApplyImmediately: true }),
    );
    // As RDS does: available for a moment, as if nothing had been asked.
    expect((await instanceOf('copy'))?.DBInstanceStatus).toBe('available');
    const managed = await waitFor(
      () => instanceOf('copy'),
      (instance) => instance?.MasterUserSecret?.SecretStatus === 'active',
    );
    const secret = JSON.parse(double.state.secrets.get(managed?.MasterUserSecret?.SecretArn ?? '') ?? '{}');
    expect(await names(up?.Endpoint?.Port ?? 0, secret.password)).toEqual(['one', 'two']);
    await expect(names(up?.Endpoint?.Port ?? 0, old)).rejects.toThrow(/password/);
    await waitFor(
      () => instanceOf('copy'),
      (instance) => instance?.DBInstanceStatus === 'available',
    );
    await client().send(new DeleteDBInstanceCommand({ DBInstanceIdentifier: 'copy', SkipFinalSnapshot: true }));
    await waitFor(
      () => instanceOf('copy').catch((error: Error) => error.name),
      (seen) => seen === 'DBInstanceNotFoundFault',
    );
  });

  it('refuses by the names that RDS has', async () => {
    await waitFor(
      async () => snapshotStatus('first'),
      (snapshot) => snapshot?.Status === 'available',
    );
    const again = new CreateDBSnapshotCommand({ DBInstanceIdentifier: 'sea', DBSnapshotIdentifier: 'first' });
    await expect(client().send(again)).rejects.toMatchObject({ name: 'DBSnapshotAlreadyExistsFault' });
    await expect(snapshotStatus('none')).rejects.toMatchObject({ name: 'DBSnapshotNotFoundFault' });
    await expect(instanceOf('none')).rejects.toMatchObject({ name: 'DBInstanceNotFoundFault' });
    double.state.snapshotQuota = 1;
    const second = new CreateDBSnapshotCommand({ DBInstanceIdentifier: 'sea', DBSnapshotIdentifier: 'second' });
    await expect(client().send(second)).rejects.toMatchObject({ name: 'SnapshotQuotaExceededFault' });
    double.state.snapshotQuota = 100;
    const share = new ModifyDBSnapshotAttributeCommand({
      DBSnapshotIdentifier: 'first',
      AttributeName: 'restore',
      ValuesToAdd: ['210987654321'],
    });
    await expect(client().send(share)).rejects.toMatchObject({
      name: 'InvalidDBSnapshotStateFault',
      message: expect.stringContaining('default'),
    });
    await expect(
      client().send(
        new RestoreDBInstanceFromDBSnapshotCommand({
          DBInstanceIdentifier: 'managed',
          DBSnapshotIdentifier: 'first',
          ManageMasterUserPassword: true,
        }),
      ),
    ).rejects.toMatchObject({ name: 'InvalidParameterCombination' });
  });

  it('copies to another region, where a key of that region is needed', async () => {
    const SourceDBSnapshotIdentifier = `arn:aws:rds:${REGION}:${ACCOUNT}:snapshot:first`;
    const abroad = client('eu-west-1');
    const plain = { SourceDBSnapshotIdentifier, TargetDBSnapshotIdentifier: 'first-abroad', CopyTags: true };
    const asked = abroad.send(new CopyDBSnapshotCommand(plain));
    await expect(asked).rejects.toMatchObject({ name: 'InvalidParameterCombination' });
    const KmsKeyId = 'arn:aws:kms:eu-west-1:123456789012:key/ours';
    await abroad.send(new CopyDBSnapshotCommand({ ...plain, KmsKeyId }));
    const ready = await waitFor(
      () => snapshotStatus('first-abroad', abroad),
      (snapshot) => snapshot?.Status === 'available',
    );
    expect(ready).toMatchObject({ KmsKeyId, TagList: [{ Key: 'a:b', Value: 'c' }] });
    await expect(snapshotStatus('first-abroad')).rejects.toMatchObject({ name: 'DBSnapshotNotFoundFault' });
  });
});
