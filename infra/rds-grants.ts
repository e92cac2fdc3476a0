import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { z } from 'zod';
import type { Purpose } from '../src/environment/steps.ts';
import type { Ground } from './grants.ts';

/** What the functions of a source call of RDS, by what they are for; all bound to the names that Lifeboat gives. */

const Address = z.object({
  instance: z.string(),
  cluster: z.boolean().default(false),
  region: z.string().optional(),
  mode: z.string(),
  copies: z
    .array(z.object({ region: z.string(), kmsKey: z.string().optional(), role: z.string().optional(), keep: z.boolean().default(false) }))
    .default([]),
  share: z.object({ kmsKey: z.string().optional() }).optional(),
  export: z.object({ role: z.string(), kmsKey: z.string() }).optional(),
  create: z.looseObject({}).optional(),
  restoreTesting: z.string().optional(),
});
type Address = z.output<typeof Address>;

/** The same call has another name of instances and of clusters. */
const INSTANCES = {
  server: 'db',
  snapshot: 'snapshot',
  parameters: 'pg',
  secret: 'rds!db-*',
  secretTag: 'aws:ResourceTag/aws:rds:primaryDBInstanceArn',
  describe: ['rds:DescribeDBInstances', 'rds:DescribeDBSnapshots'],
  create: 'rds:CreateDBSnapshot',
  copy: 'rds:CopyDBSnapshot',
  share: 'rds:ModifyDBSnapshotAttribute',
  forget: 'rds:DeleteDBSnapshot',
  restore: 'rds:RestoreDBInstanceFromDBSnapshot',
  modify: 'rds:ModifyDBInstance',
};
const CLUSTERS: typeof INSTANCES = {
  server: 'cluster',
  snapshot: 'cluster-snapshot',
  parameters: 'cluster-pg',
  secret: 'rds!cluster-*',
  secretTag: 'aws:ResourceTag/aws:rds:primaryDBClusterArn',
  describe: ['rds:DescribeDBInstances', 'rds:DescribeDBClusters', 'rds:DescribeDBClusterSnapshots'],
  create: 'rds:CreateDBClusterSnapshot',
  copy: 'rds:CopyDBClusterSnapshot',
  share: 'rds:ModifyDBClusterSnapshotAttribute',
  forget: 'rds:DeleteDBClusterSnapshot',
  restore: 'rds:RestoreDBClusterFromSnapshot',
  modify: 'rds:ModifyDBCluster',
};

/** A system in RDS, as its address has it. */
interface Place {
  readonly ground: Ground;
  readonly address: Address;
  readonly region: string;
  readonly words: typeof INSTANCES;
}

const placeOf = (ground: Ground, raw: unknown): Place => {
  const address = Address.parse(raw);
  return { ground, address, region: address.region ?? ground.region, words: address.cluster ? CLUSTERS : INSTANCES };
};

const allow = (sid: string, actions: string[], resources: string[], conditions?: Record<string, Record<string, string>>): PolicyStatement =>
  new PolicyStatement({ sid, actions, resources, ...(conditions === undefined ? {} : { conditions }) });

const rdsArn = ({ ground: { account }, region }: Place, resource: string): string => `arn:aws:rds:${region}:${account}:${resource}`;

const SNAPSHOTS = 'lifeboat-*';
const CLONES = ['lifeboat-clone-*'];
const DRILLS = ['lifeboat-drill-*'];

/** Listing is how the reaper finds what is left; RDS has describing by name and listing under one action, and some without resources. */
const describe = ({ ground, words }: Place): PolicyStatement[] => [
  allow('DescribeRds', [...words.describe], [`arn:aws:rds:*:${ground.account}:*`]),
  allow('DescribeAccount', ['rds:DescribeAccountAttributes', 'rds:DescribeExportTasks'], ['*']),
];

const servers = (place: Place, names: readonly string[]): string[] => names.map((name) => rdsArn(place, `${place.words.server}:${name}`));

/** Instances of a cluster are called after it. */
const members = (place: Place, names: readonly string[]): string[] => names.map((name) => rdsArn(place, `db:${name}`));

const groups = (place: Place): string[] => ['subgrp:*', 'pg:*', 'cluster-pg:*', 'og:*'].map((resource) => rdsArn(place, resource));

/** What comes out of a snapshot needs the groups that it is put in, too; only what has one of these names comes of it. */
const make = (place: Place, names: readonly string[]): PolicyStatement[] => {
  const { ground, region, words, address } = place;
  const keep = [
    allow(
      'KeepPasswords',
      ['secretsmanager:CreateSecret', 'secretsmanager:TagResource'],
      [`arn:aws:secretsmanager:${region}:${ground.account}:secret:${words.secret}`],
    ),
    // RDS looks at the key of the new secret in the caller's name; its id is not known, its alias is.
    allow('LookAtKeyOfPasswords', ['kms:DescribeKey'], [`arn:aws:kms:${region}:${ground.account}:key/*`], {
      'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/aws/secretsmanager' },
    }),
  ];
  // An empty one is made of no snapshot, and with its password.
  if (address.create !== undefined)
    return [
      allow('MakeTemporaryInstances', ['rds:CreateDBInstance', 'rds:AddTagsToResource'], [...servers(place, names), ...groups(place)]),
      ...keep,
    ];
  return [
    allow(
      'MakeTemporaryInstances',
      [words.restore, 'rds:AddTagsToResource', ...(address.cluster ? ['rds:CreateDBInstance'] : [])],
      [
        ...servers(place, names),
        ...(address.cluster ? members(place, names.map(memberOf)) : []),
        rdsArn(place, `${words.snapshot}:${SNAPSHOTS}`),
        ...groups(place),
      ],
    ),
    allow('GiveThemPasswords', [words.modify], servers(place, names)),
    // What is restored is encrypted as the snapshot is; RDS takes the key by a grant, in the caller's name.
    ...(ground.databaseKeys.length === 0
      ? []
      : [allow('UseDatabaseKeys', ['kms:CreateGrant', 'kms:DescribeKey'], [...ground.databaseKeys], throughRds(region))]),
    ...keep,
  ];
};

const memberOf = (name: string): string => (name.endsWith('*') ? name : `${name.slice(0, 61)}-1`);

const remove = (place: Place, names: readonly string[]): PolicyStatement =>
  allow(
    'RemoveTemporaryInstances',
    ['rds:DeleteDBInstance', ...(place.address.cluster ? ['rds:DeleteDBCluster'] : [])],
    [...(place.address.cluster ? members(place, names.map(memberOf)) : []), ...servers(place, names)],
  );

/** Of the password that RDS keeps; whose it is, RDS writes into a tag. */
const readPasswords = (place: Place, names: readonly string[]): PolicyStatement[] =>
  servers(place, names).map((arn, index) =>
    allow(
      `ReadRdsPassword${index}`,
      ['secretsmanager:GetSecretValue'],
      [`arn:aws:secretsmanager:${place.region}:${place.ground.account}:secret:${place.words.secret}`],
      { StringLike: { [place.words.secretTag]: arn } },
    ),
  );

/** Of other accounts: copies there are made, asked about and, unless they are kept, removed by roles of those. */
export const copyRoles = (raw: unknown, isWanted: (copy: Address['copies'][number]) => boolean = () => true): string[] => [
  ...new Set(Address.parse(raw).copies.flatMap((copy) => (copy.role === undefined || !isWanted(copy) ? [] : [copy.role]))),
];

const takeRoles = (roles: string[]): PolicyStatement[] => (roles.length === 0 ? [] : [allow('TakeCopyRoles', ['sts:AssumeRole'], roles)]);

export const rdsSource = (ground: Ground, raw: unknown, purpose: Purpose): PolicyStatement[] => {
  const place = placeOf(ground, raw);
  const { address, words } = place;
  const own = [place.region, ...address.copies.flatMap(({ region, role }) => (role === undefined ? [region] : []))];
  const snapshots = [...new Set(own)].map((region) => rdsArn({ ...place, region }, `${words.snapshot}:${SNAPSHOTS}`));
  const clone = address.mode === 'clone-dump';
  const roles = takeRoles(copyRoles(raw));
  switch (purpose) {
    case 'planner':
      return [...describe(place), ...roles, ...(clone ? readPasswords(place, CLONES) : [])];
    case 'holder':
      return [
        ...describe(place),
        allow('MakeSnapshots', [words.create, 'rds:AddTagsToResource'], [...servers(place, [address.instance]), ...snapshots]),
        ...(clone ? [...make(place, CLONES), remove(place, CLONES), ...readPasswords(place, CLONES)] : []),
      ];
    case 'dumper':
      return [
        ...describe(place),
        ...roles,
        allow('CopySnapshots', [words.copy, 'rds:AddTagsToResource', words.share], snapshots),
        ...encryptCopies(place),
        ...exportSnapshots(place, snapshots),
        ...(clone ? readPasswords(place, CLONES) : []),
      ];
    case 'pruner':
      return [...describe(place), ...takeRoles(copyRoles(raw, ({ keep }) => !keep)), allow('RemoveSnapshots', [words.forget], snapshots)];
    case 'janitor':
      return [...describe(place), remove(place, [...CLONES, ...DRILLS])];
    default:
      return [];
  }
};

/** Keys of other accounts are used by their own roles. */
const encryptCopies = ({ address }: Place): PolicyStatement[] => {
  const keys = [...address.copies.map(({ kmsKey, role }) => (role === undefined ? kmsKey : undefined)), address.share?.kmsKey];
  const named = keys.filter((key) => key !== undefined);
  return named.length === 0 ? [] : [allow('EncryptCopies', ['kms:CreateGrant', 'kms:DescribeKey'], named)];
};

const throughRds = (region: string) => ({ StringEquals: { 'kms:ViaService': `rds.${region}.amazonaws.com` } });

/** What RDS wants its caller to be allowed with the key of an export (API reference of StartExportTask). */
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
].map((action) => `kms:${action}`);

const exportSnapshots = ({ address }: Place, snapshots: string[]): PolicyStatement[] =>
  address.export === undefined
    ? []
    : [
        allow('ExportSnapshots', ['rds:StartExportTask'], snapshots),
        allow('EncryptExports', EXPORT_KEY_ACTIONS, [address.export.kmsKey]),
        allow('HandOverExportRole', ['iam:PassRole'], [address.export.role], {
          StringEquals: { 'iam:PassedToService': 'export.rds.amazonaws.com' },
        }),
      ];

/** What comes and goes in a restore has the name of the target; in a drill only what says in its name that it is of one. */
const target = (place: Place, names: readonly string[], purpose: Purpose): PolicyStatement[] => {
  if (purpose === 'restorer') return [...describe(place), ...make(place, names), ...readPasswords(place, names)];
  return purpose === 'auditor' ? [...describe(place), ...readPasswords(place, names)] : [];
};

export const rdsRestore = (ground: Ground, raw: unknown, purpose: Purpose): PolicyStatement[] => {
  const place = placeOf(ground, raw);
  return target(place, [place.address.instance], purpose);
};

export const rdsScratch = (ground: Ground, raw: unknown, purpose: Purpose): PolicyStatement[] => {
  const place = placeOf(ground, raw);
  // AWS Backup has no resources for it.
  if (purpose === 'keeper')
    return place.address.restoreTesting === undefined ? [] : [allow('AnswerRestoreTesting', ['backup:PutRestoreValidationResult'], ['*'])];
  if (purpose === 'driller' || purpose === 'janitor') return [...describe(place), remove(place, DRILLS), ...readPasswords(place, DRILLS)];
  return target(place, DRILLS, purpose);
};
