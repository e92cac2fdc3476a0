import type { Need } from './needs.ts';
import type { Passed } from './recorder.ts';
import { ACCOUNT } from './template.ts';

/**
 * What IAM asks for each request that RDS saw, by the Service Authorization Reference of RDS, and what RDS then asks of other
 * services in the caller's name, by its User Guide ("Permissions required for Secrets Manager integration", "Encrypting Amazon
 * RDS resources"). A request that is not here fails the proof.
 */
type Rule = (call: Call) => readonly Wanted[];

interface Call {
  readonly field: (name: string) => string;
  readonly has: (name: string) => boolean;
  /** An ARN of RDS in the region of the request. */
  readonly arn: (type: string, name: string) => string;
  readonly region: string;
  /** ARN of the customer key of the instance; empty for RDS's own. */
  readonly databaseKey: string;
}

interface Wanted {
  readonly action: string;
  readonly resource: string;
  readonly context?: Need['context'];
}

/** To tag what an action makes takes the permission to tag it. */
const tagged = (call: Call, resource: string): Wanted[] =>
  call.has('Tags.Tag.1.Key') ? [{ action: 'rds:AddTagsToResource', resource }] : [];

const snapshotArn = (call: Call, name: string): string => (name.startsWith('arn:') ? name : call.arn('snapshot', name));

const clusterSnapshotArn = (call: Call, name: string): string => (name.startsWith('arn:') ? name : call.arn('cluster-snapshot', name));

/** RDS takes a key of the customer by a grant, in the caller's name. */
const keyNeeds = (key: string, region: string): Wanted[] =>
  key === ''
    ? []
    : ['kms:CreateGrant', 'kms:DescribeKey'].map((action) => ({
        action,
        resource: key,
        context: {
          'kms:ViaService': `rds.${region}.amazonaws.com`,
          ...(action === 'kms:CreateGrant' ? { 'kms:GrantIsForAWSResource': 'true' } : {}),
        },
      }));

/** The password of a temporary instance lies in Secrets Manager, under the key that AWS keeps there. */
const passwordNeeds = ({ region, field }: Call, of: 'db' | 'cluster'): Wanted[] => {
  if (field('ManageMasterUserPassword') !== 'true') return [];
  const secret = `arn:aws:secretsmanager:${region}:${ACCOUNT}:secret:rds!${of}-01234567-89ab-cdef-0123-456789abcdef-AbCdEf`;
  return [
    { action: 'secretsmanager:CreateSecret', resource: secret },
    { action: 'secretsmanager:TagResource', resource: secret },
    {
      action: 'kms:DescribeKey',
      resource: `arn:aws:kms:${region}:${ACCOUNT}:key/89abcdef-0123-4567-89ab-cdef01234567`,
      context: { 'kms:ResourceAliases': 'alias/aws/secretsmanager' },
    },
  ];
};

/** As the API reference of StartExportTask has them. */
const EXPORT_KEY_ACTIONS = [
  'Encrypt',
  'Decrypt',
  'GenerateDataKey',
  'GenerateDataKeyWithoutPlaintext',
  'ReEncryptFrom',
  'ReEncryptTo',
  'CreateGrant',
  'DescribeKey',
  'RetireGrant',
];

const RULES: Readonly<Record<string, Rule>> = {
  DescribeDBInstances: (call) => [
    { action: 'rds:DescribeDBInstances', resource: call.arn('db', call.field('DBInstanceIdentifier') || '*') },
  ],
  DescribeDBSnapshots: (call) => [
    { action: 'rds:DescribeDBSnapshots', resource: snapshotArn(call, call.field('DBSnapshotIdentifier') || '*') },
  ],
  DescribeAccountAttributes: () => [{ action: 'rds:DescribeAccountAttributes', resource: '*' }],
  DescribeExportTasks: () => [{ action: 'rds:DescribeExportTasks', resource: '*' }],
  CreateDBSnapshot: (call) => {
    const snapshot = call.arn('snapshot', call.field('DBSnapshotIdentifier'));
    return [
      { action: 'rds:CreateDBSnapshot', resource: call.arn('db', call.field('DBInstanceIdentifier')) },
      { action: 'rds:CreateDBSnapshot', resource: snapshot },
      ...tagged(call, snapshot),
    ];
  },
  CopyDBSnapshot: (call) => {
    const copy = call.arn('snapshot', call.field('TargetDBSnapshotIdentifier'));
    return [
      { action: 'rds:CopyDBSnapshot', resource: snapshotArn(call, call.field('SourceDBSnapshotIdentifier')) },
      { action: 'rds:CopyDBSnapshot', resource: copy },
      ...tagged(call, copy),
      ...keyNeeds(call.field('KmsKeyId'), call.region),
    ];
  },
  ModifyDBSnapshotAttribute: (call) => [
    { action: 'rds:ModifyDBSnapshotAttribute', resource: snapshotArn(call, call.field('DBSnapshotIdentifier')) },
  ],
  DeleteDBSnapshot: (call) => [{ action: 'rds:DeleteDBSnapshot', resource: snapshotArn(call, call.field('DBSnapshotIdentifier')) }],
  RestoreDBInstanceFromDBSnapshot: (call) => {
    const instance = call.arn('db', call.field('DBInstanceIdentifier'));
    const action = 'rds:RestoreDBInstanceFromDBSnapshot';
    return [
      { action, resource: instance },
      { action, resource: snapshotArn(call, call.field('DBSnapshotIdentifier')) },
      { action, resource: call.arn('subgrp', call.field('DBSubnetGroupName') || 'default') },
      { action, resource: call.arn('pg', call.field('DBParameterGroupName') || 'default.postgres18') },
      { action, resource: call.arn('og', call.field('OptionGroupName') || 'default:postgres-18') },
      ...keyNeeds(call.databaseKey, call.region),
      ...tagged(call, instance),
    ];
  },
  ModifyDBInstance: (call) => [
    { action: 'rds:ModifyDBInstance', resource: call.arn('db', call.field('DBInstanceIdentifier')) },
    ...passwordNeeds(call, 'db'),
  ],
  DeleteDBInstance: (call) => [{ action: 'rds:DeleteDBInstance', resource: call.arn('db', call.field('DBInstanceIdentifier')) }],
  DescribeDBClusters: (call) => [
    { action: 'rds:DescribeDBClusters', resource: call.arn('cluster', call.field('DBClusterIdentifier') || '*') },
  ],
  DescribeDBClusterSnapshots: (call) => [
    { action: 'rds:DescribeDBClusterSnapshots', resource: clusterSnapshotArn(call, call.field('DBClusterSnapshotIdentifier') || '*') },
  ],
  CreateDBClusterSnapshot: (call) => {
    const snapshot = call.arn('cluster-snapshot', call.field('DBClusterSnapshotIdentifier'));
    return [
      { action: 'rds:CreateDBClusterSnapshot', resource: call.arn('cluster', call.field('DBClusterIdentifier')) },
      { action: 'rds:CreateDBClusterSnapshot', resource: snapshot },
      ...tagged(call, snapshot),
    ];
  },
  CopyDBClusterSnapshot: (call) => {
    const copy = call.arn('cluster-snapshot', call.field('TargetDBClusterSnapshotIdentifier'));
    return [
      { action: 'rds:CopyDBClusterSnapshot', resource: clusterSnapshotArn(call, call.field('SourceDBClusterSnapshotIdentifier')) },
      { action: 'rds:CopyDBClusterSnapshot', resource: copy },
      ...tagged(call, copy),
      ...keyNeeds(call.field('KmsKeyId'), call.region),
    ];
  },
  ModifyDBClusterSnapshotAttribute: (call) => [
    {
      action: 'rds:ModifyDBClusterSnapshotAttribute',
      resource: clusterSnapshotArn(call, call.field('DBClusterSnapshotIdentifier')),
    },
  ],
  DeleteDBClusterSnapshot: (call) => [
    { action: 'rds:DeleteDBClusterSnapshot', resource: call.arn('cluster-snapshot', call.field('DBClusterSnapshotIdentifier')) },
  ],
  RestoreDBClusterFromSnapshot: (call) => {
    const cluster = call.arn('cluster', call.field('DBClusterIdentifier'));
    const action = 'rds:RestoreDBClusterFromSnapshot';
    return [
      { action, resource: cluster },
      { action, resource: call.field('SnapshotIdentifier') },
      { action, resource: call.arn('subgrp', call.field('DBSubnetGroupName') || 'default') },
      { action, resource: call.arn('cluster-pg', call.field('DBClusterParameterGroupName') || 'default.aurora-postgresql17') },
      { action, resource: call.arn('og', call.field('OptionGroupName') || 'default:aurora-postgresql-17') },
      ...tagged(call, cluster),
    ];
  },
  ModifyDBCluster: (call) => [
    { action: 'rds:ModifyDBCluster', resource: call.arn('cluster', call.field('DBClusterIdentifier')) },
    ...passwordNeeds(call, 'cluster'),
  ],
  DeleteDBCluster: (call) => [{ action: 'rds:DeleteDBCluster', resource: call.arn('cluster', call.field('DBClusterIdentifier')) }],
  CreateDBInstance: (call) => {
    const instance = call.arn('db', call.field('DBInstanceIdentifier'));
    const action = 'rds:CreateDBInstance';
    const cluster = call.field('DBClusterIdentifier');
    return [
      { action, resource: instance },
      ...(cluster === '' ? [] : [{ action, resource: call.arn('cluster', cluster) }]),
      { action, resource: call.arn('subgrp', call.field('DBSubnetGroupName') || 'default') },
      { action, resource: call.arn('pg', call.field('DBParameterGroupName') || 'default.postgres18') },
      { action, resource: call.arn('og', call.field('OptionGroupName') || 'default:postgres-18') },
      ...tagged(call, instance),
      ...passwordNeeds(call, 'db'),
    ];
  },
  AssumeRole: (call) => [{ action: 'sts:AssumeRole', resource: call.field('RoleArn') }],
  // Anybody may ask who he is.
  GetCallerIdentity: () => [],
  StartExportTask: (call) => [
    { action: 'rds:StartExportTask', resource: call.field('SourceArn') },
    { action: 'iam:PassRole', resource: call.field('IamRoleArn'), context: { 'iam:PassedToService': 'export.rds.amazonaws.com' } },
    ...EXPORT_KEY_ACTIONS.map((action) => ({ action: `kms:${action}`, resource: call.field('KmsKeyId') })),
  ],
};

export const rdsNeeds = ({ by, region, body }: Pick<Passed, 'by' | 'region' | 'body'>, databaseKey = ''): Need[] => {
  const form = new URLSearchParams(body);
  const action = form.get('Action') ?? '';
  const rule = RULES[action];
  if (rule === undefined) throw new Error(`${by} calls rds:${action}, and nobody knows what that needs`);
  const call: Call = {
    field: (name) => form.get(name) ?? '',
    has: (name) => form.has(name),
    arn: (type, name) => `arn:aws:rds:${region}:${ACCOUNT}:${type}:${name.toLowerCase()}`,
    region,
    databaseKey,
  };
  return rule(call).map((wanted) => ({ by, context: {}, ...wanted }));
};
