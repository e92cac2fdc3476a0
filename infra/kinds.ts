import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { z } from 'zod';
import type { Purpose } from '../src/environment/steps.ts';
import { rdsRegion } from '../src/sources/login.ts';
import type { DeployableSource } from './deployable.ts';
import type { Ground } from './grants.ts';
import { rdsRestore, rdsScratch, rdsSource } from './rds-grants.ts';

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

/** Tokens of IAM in place of passwords, for whoever logs in; the resource is the user, whatever the instance. */
const iamLogin =
  (purposes: readonly Purpose[]): KindGrants =>
  (ground, address, purpose) => {
    const { auth, user, host, region } = SqlAddress.parse(address);
    if (auth !== 'iam' || user === undefined || !purposes.includes(purpose)) return [];
    const at = region ?? rdsRegion(host ?? '') ?? ground.region;
    return [allow('LogInWithToken', ['rds-db:connect'], [`arn:aws:rds-db:${at}:${ground.account}:dbuser:*/${user}`])];
  };

const SqlAddress = z.object({
  auth: z.string().optional(),
  user: z.string().optional(),
  host: z.string().optional(),
  region: z.string().optional(),
});

const both =
  (...kinds: readonly KindGrants[]): KindGrants =>
  (...given) =>
    kinds.flatMap((kind) => kind(...given));

const sourceLogin = iamLogin(['planner', 'holder', 'dumper']);
const restoreLogin = iamLogin(['restorer', 'auditor']);
const scratchLogin = iamLogin(['restorer', 'auditor', 'driller', 'janitor']);

const SOURCES: Readonly<Record<string, KindGrants>> = { postgres: sourceLogin, mysql: sourceLogin, rds: both(rdsSource, sourceLogin) };
const RESTORES: Readonly<Record<string, KindGrants>> = { postgres: restoreLogin, mysql: restoreLogin, rds: both(rdsRestore, restoreLogin) };
const SCRATCHES: Readonly<Record<string, KindGrants>> = {
  postgres: scratchLogin,
  mysql: scratchLogin,
  rds: both(rdsScratch, scratchLogin),
};
