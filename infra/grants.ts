import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { MACHINES, machineName } from '../src/environment/names.ts';
import type { BucketPlace } from './deployable.ts';

/** What policies name: everything by ARN, nothing by reference, so that a role can be read as a whole. */
export interface Ground {
  readonly environment: string;
  readonly account: string;
  readonly region: string;
  readonly store: BucketPlace;
  readonly control: BucketPlace;
  /** Of both buckets. */
  readonly keyArn: string;
  /** Customer keys of secrets. */
  readonly secretKeys: readonly string[];
  /** Customer keys of databases in RDS. */
  readonly databaseKeys: readonly string[];
}

const allow = (sid: string, actions: string[], resources: string[], conditions?: Record<string, Record<string, string>>): PolicyStatement =>
  new PolicyStatement({ sid, actions, resources, ...(conditions === undefined ? {} : { conditions }) });

const bucketArn = ({ bucket }: BucketPlace): string => `arn:aws:s3:::${bucket}`;
/** Objects of a place below a key that may have wildcards. */
export const objectsArn = (place: BucketPlace, below: string): string => `${bucketArn(place)}/${place.prefix}${below}`;

/** Without it a key that is not there is "access denied" instead of 404; S3 does not look at prefixes for that. */
const listing = (ground: Ground): PolicyStatement =>
  allow('TellMissingKeys', ['s3:ListBucket'], [...new Set([bucketArn(ground.store), bucketArn(ground.control)])]);

/** Uploads that were never ended: no list of objects shows them. */
export const listUploads = (ground: Ground): PolicyStatement =>
  allow('ListUploads', ['s3:ListBucketMultipartUploads'], [...new Set([bucketArn(ground.store), bucketArn(ground.control)])]);

/** S3 encrypts and decrypts in the caller's name; a multipart upload needs both. */
const bucketKey = (ground: Ground, actions: string[]): PolicyStatement =>
  allow('UseKeyThroughS3', actions, [ground.keyArn], { StringEquals: { 'kms:ViaService': `s3.${ground.region}.amazonaws.com` } });

const keys = (ground: Ground): PolicyStatement => bucketKey(ground, ['kms:Decrypt', 'kms:GenerateDataKey']);

export const readStore = (ground: Ground, source: string): PolicyStatement[] => [
  listing(ground),
  allow(
    'ReadStore',
    ['s3:GetObject', 's3:GetObjectVersion'],
    [objectsArn(ground.store, `${source}/*`), objectsArn(ground.store, 'lifeboat.json')],
  ),
  keys(ground),
];

/** Write-once: the bucket's policy refuses what is not conditional. */
export const createInStore = (ground: Ground, ...below: readonly string[]): PolicyStatement =>
  allow(
    'CreateInStore',
    ['s3:PutObject', 's3:AbortMultipartUpload'],
    below.map((key) => objectsArn(ground.store, key)),
  );

/** A plain delete, which on a versioned bucket adds a marker that can be removed again. Never a version. */
export const pruneStore = (ground: Ground, source: string): PolicyStatement =>
  allow('PruneStore', ['s3:DeleteObject'], [objectsArn(ground.store, `${source}/backups/*`)]);

export const useControl = (ground: Ground, source: string): PolicyStatement =>
  allow('UseControl', ['s3:GetObject', 's3:PutObject', 's3:AbortMultipartUpload'], [objectsArn(ground.control, `${source}/*`)]);

export const readControl = (ground: Ground, source: string): PolicyStatement =>
  allow('ReadControl', ['s3:GetObject'], [objectsArn(ground.control, `${source}/*`)]);

export const forgetScratch = (ground: Ground, source: string): PolicyStatement =>
  allow('ForgetScratch', ['s3:DeleteObject'], [objectsArn(ground.control, `${source}/scratch/*`)]);

/** To tell whether the owner of a lease, of a backup or of a scratch target still runs. */
export const describeExecutions = ({ environment, account, region }: Ground, source: string): PolicyStatement =>
  allow(
    'DescribeExecutions',
    ['states:DescribeExecution'],
    MACHINES.map((machine) => `arn:aws:states:${region}:${account}:execution:${machineName(environment, source, machine)}:*`),
  );

export const readSecrets = (ground: Ground, secrets: readonly string[]): PolicyStatement[] => {
  if (secrets.length === 0) return [];
  // The console shows the ARN with its random end, templates often have it without.
  const read = allow(
    'ReadSecrets',
    ['secretsmanager:GetSecretValue'],
    secrets.map((arn) => (/-[A-Za-z0-9]{6}$/.test(arn) ? arn : `${arn}-??????`)),
  );
  if (ground.secretKeys.length === 0) return [read];
  const through = { StringLike: { 'kms:ViaService': 'secretsmanager.*.amazonaws.com' } };
  return [read, allow('DecryptSecrets', ['kms:Decrypt'], [...ground.secretKeys], through)];
};

/** Only `*` can stand for what these need: the interfaces do not exist yet when Lambda asks. */
export const joinVpc = (): PolicyStatement =>
  allow(
    'JoinVpc',
    [
      'ec2:CreateNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSubnets',
      'ec2:DeleteNetworkInterface',
      'ec2:AssignPrivateIpAddresses',
      'ec2:UnassignPrivateIpAddresses',
    ],
    ['*'],
  );

export const writeLogs = (logGroupArn: string): PolicyStatement =>
  allow('WriteLogs', ['logs:CreateLogStream', 'logs:PutLogEvents'], [logGroupArn]);

/** Step Functions asks X-Ray which executions to trace, too. */
export const traceMachine = (): PolicyStatement =>
  allow('Trace', ['xray:PutTraceSegments', 'xray:PutTelemetryRecords', 'xray:GetSamplingRules', 'xray:GetSamplingTargets'], ['*']);

/** X-Ray has no resources to name. */
export const trace = (): PolicyStatement => allow('Trace', ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'], ['*']);
