import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { z } from 'zod';
import type { DeployableSource } from './deployable.ts';
import type { Ground } from './grants.ts';
import type { Purpose } from './steps.ts';

/** What kinds call of AWS themselves. A kind that speaks to its own server only is not here. */
type KindGrants = (ground: Ground, address: unknown, purpose: Purpose) => PolicyStatement[];

/** What the systems of a source add to a role: the source's own calls, and those of where restores and drills go. */
export const kindGrants = (ground: Ground, { entry, restore, scratch, storage }: DeployableSource, purpose: Purpose): PolicyStatement[] => [
  ...called('Source', SOURCES[entry.kind]?.(ground, entry.address, purpose)),
  ...called('Restore', restore === undefined ? [] : RESTORES[restore.kind]?.(ground, restore.address, purpose)),
  ...called('Scratch', scratch === undefined ? [] : SCRATCHES[scratch.kind]?.(ground, scratch.address, purpose)),
  ...(storage === undefined ? [] : storageGrants(storage, purpose)),
];

/** Statements of one policy have different names. */
const called = (prefix: string, statements: PolicyStatement[] = []): PolicyStatement[] => {
  for (const statement of statements) statement.sid = `${prefix}${statement.sid}`;
  return statements;
};

const READERS: ReadonlySet<Purpose> = new Set(['planner', 'holder', 'dumper', 'restorer', 'auditor']);
const WRITERS: ReadonlySet<Purpose> = new Set(['restorer', 'driller', 'janitor']);

/** Buckets that the product has of its own; nothing is ever written or deleted where the source has its objects. */
const storageGrants = ({ read, write, keys }: NonNullable<DeployableSource['storage']>, purpose: Purpose): PolicyStatement[] => {
  const arns = (urls: readonly string[]): string[] => urls.map((url) => `${url.replace('s3://', 'arn:aws:s3:::').replace(/\/+$/, '')}/*`);
  const readable = [...(READERS.has(purpose) ? read : []), ...(WRITERS.has(purpose) || purpose === 'auditor' ? write : [])];
  const writable = WRITERS.has(purpose) ? arns(write) : [];
  if (readable.length === 0) return [];
  return [
    allow('ListStorage', ['s3:ListBucket'], [...new Set(readable.map((url) => url.replace(/^s3:\/\/([^/]+).*$/, 'arn:aws:s3:::$1')))]),
    allow('ReadStorage', ['s3:GetObject', 's3:GetObjectVersion', 's3:GetObjectTagging'], arns(readable)),
    ...(writable.length === 0 ? [] : [allow('WriteStorage', ['s3:PutObject', 's3:AbortMultipartUpload', 's3:DeleteObject'], writable)]),
    ...(keys.length === 0 ? [] : [allow('UseStorageKeys', ['kms:Decrypt', 'kms:GenerateDataKey'], [...keys])]),
  ];
};

const allow = (sid: string, actions: string[], resources: string[], conditions?: Record<string, Record<string, string>>): PolicyStatement =>
  new PolicyStatement({ sid, actions, resources, ...(conditions === undefined ? {} : { conditions }) });

const RdsAddress = z.object({
  instance: z.string(),
  region: z.string().optional(),
  mode: z.string(),
  copies: z.array(z.object({ region: z.string(), kmsKey: z.string().optional() })).default([]),
  share: z.object({ kmsKey: z.string().optional() }).optional(),
  export: z.object({ role: z.string() }).optional(),
});

/** ARNs of RDS; in each region where the address has something. */
const rdsArn = ({ account }: Ground, region: string, resource: string): string => `arn:aws:rds:${region}:${account}:${resource}`;

/** Listing is how the reaper finds what is left; RDS has describing by name and listing under one action. */
const describeRds = (ground: Ground): PolicyStatement =>
  allow(
    'DescribeRds',
    ['rds:DescribeDBInstances', 'rds:DescribeDBSnapshots', 'rds:DescribeExportTasks', 'rds:DescribeAccountAttributes'],
    [`arn:aws:rds:*:${ground.account}:*`],
  );

/** An instance out of a snapshot needs the groups that it is put in, too; only instances of these names come of it. */
const makeInstances = (ground: Ground, region: string, names: readonly string[]): PolicyStatement[] => [
  allow(
    'MakeTemporaryInstances',
    ['rds:RestoreDBInstanceFromDBSnapshot', 'rds:AddTagsToResource'],
    [
      ...names.map((name) => rdsArn(ground, region, `db:${name}`)),
      ...['snapshot:lifeboat-*', 'subgrp:*', 'pg:*', 'og:*'].map((resource) => rdsArn(ground, region, resource)),
    ],
  ),
  allow(
    'GiveThemPasswords',
    ['rds:ModifyDBInstance'],
    names.map((name) => rdsArn(ground, region, `db:${name}`)),
  ),
  allow(
    'KeepPasswords',
    ['secretsmanager:CreateSecret', 'secretsmanager:TagResource'],
    [`arn:aws:secretsmanager:${region}:${ground.account}:secret:rds!db-*`],
  ),
];

const removeInstances = (ground: Ground, region: string, names: readonly string[]): PolicyStatement =>
  allow(
    'RemoveTemporaryInstances',
    ['rds:DeleteDBInstance'],
    names.map((name) => rdsArn(ground, region, `db:${name}`)),
  );

/** Of the password that RDS keeps of an instance; which instance it is of, RDS writes into a tag. */
const readPasswords = (ground: Ground, region: string, names: readonly string[]): PolicyStatement[] =>
  names.map((name, index) =>
    allow(
      `ReadRdsPassword${index}`,
      ['secretsmanager:GetSecretValue'],
      [`arn:aws:secretsmanager:${region}:${ground.account}:secret:rds!db-*`],
      {
        StringLike: { 'aws:ResourceTag/aws:rds:primaryDBInstanceArn': rdsArn(ground, region, `db:${name}`) },
      },
    ),
  );

const CLONES = ['lifeboat-clone-*'];
const DRILLS = ['lifeboat-drill-*'];

const rdsSource: KindGrants = (ground, raw, purpose) => {
  const address = RdsAddress.parse(raw);
  const region = address.region ?? ground.region;
  const snapshots = [region, ...address.copies.map((copy) => copy.region)].map((each) => rdsArn(ground, each, 'snapshot:lifeboat-*'));
  const clone = address.mode === 'clone-dump';
  const describe = describeRds(ground);
  if (purpose === 'planner') return [describe, ...(clone ? readPasswords(ground, region, CLONES) : [])];
  if (purpose === 'holder')
    return [
      describe,
      allow(
        'MakeSnapshots',
        ['rds:CreateDBSnapshot', 'rds:AddTagsToResource'],
        [rdsArn(ground, region, `db:${address.instance}`), ...snapshots],
      ),
      ...(clone
        ? [...makeInstances(ground, region, CLONES), removeInstances(ground, region, CLONES), ...readPasswords(ground, region, CLONES)]
        : []),
    ];
  if (purpose === 'dumper') {
    const keys = [...address.copies.map(({ kmsKey }) => kmsKey), address.share?.kmsKey].filter((key) => key !== undefined);
    return [
      describe,
      allow('CopySnapshots', ['rds:CopyDBSnapshot', 'rds:AddTagsToResource', 'rds:ModifyDBSnapshotAttribute'], snapshots),
      ...(keys.length === 0 ? [] : [allow('EncryptCopies', ['kms:CreateGrant', 'kms:DescribeKey'], keys)]),
      ...(address.export === undefined
        ? []
        : [
            allow('ExportSnapshots', ['rds:StartExportTask'], snapshots),
            allow('HandOverExportRole', ['iam:PassRole'], [address.export.role], {
              StringEquals: { 'iam:PassedToService': 'export.rds.amazonaws.com' },
            }),
          ]),
      ...(clone ? readPasswords(ground, region, CLONES) : []),
    ];
  }
  if (purpose === 'pruner') return [describe, allow('RemoveSnapshots', ['rds:DeleteDBSnapshot'], snapshots)];
  return purpose === 'janitor' ? [describe, removeInstances(ground, region, [...CLONES, ...DRILLS])] : [];
};

/** Instances of these names come and go in a restore; in a drill only those that say in their names that they are of one. */
const rdsTarget =
  (namesOf: (instance: string) => readonly string[]): KindGrants =>
  (ground, raw, purpose) => {
    const { instance, region = ground.region } = RdsAddress.parse(raw);
    const names = namesOf(instance);
    if (purpose === 'restorer')
      return [describeRds(ground), ...makeInstances(ground, region, names), ...readPasswords(ground, region, names)];
    return purpose === 'auditor' ? [describeRds(ground), ...readPasswords(ground, region, names)] : [];
  };

const rdsScratch: KindGrants = (ground, raw, purpose) => {
  const { region = ground.region } = RdsAddress.parse(raw);
  if (purpose === 'driller' || purpose === 'janitor')
    return [describeRds(ground), removeInstances(ground, region, DRILLS), ...readPasswords(ground, region, DRILLS)];
  return rdsTarget(() => DRILLS)(ground, raw, purpose);
};

const SOURCES: Readonly<Record<string, KindGrants>> = { rds: rdsSource };
const RESTORES: Readonly<Record<string, KindGrants>> = { rds: rdsTarget((instance) => [instance]) };
const SCRATCHES: Readonly<Record<string, KindGrants>> = { rds: rdsScratch };
