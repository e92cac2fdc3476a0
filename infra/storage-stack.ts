import { Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type LifecycleRule,
  ObjectLockRetention,
  ObjectOwnership,
  StorageClass,
} from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { BucketPlace, Deployable } from './deployable.ts';
import { acknowledge } from './nag.ts';
import { replicate } from './replication.ts';
import { keepVersions, writeOnce } from './storage-policy.ts';

/** Parts that no request completed; a function that was killed leaves them. */
const UPLOAD_DAYS = 2;

/** A pruned backup can be brought back for as long: its objects are noncurrent versions. */
const UNDO_DAYS = 30;

/** What lies under control is short-lived: the longest execution takes two days. */
const CONTROL_DAYS = 30;

/** The buckets and their key. Outlives everything else: retained, protected against termination. */
export class StorageStack extends Stack {
  readonly key: IKey;

  constructor(scope: Construct, id: string, deployable: Deployable, props: StackProps) {
    super(scope, id, { ...props, terminationProtection: true, description: `Lifeboat ${deployable.name}: where the backups are.` });
    const { store, control, deployment } = deployable;
    this.key = keyOf(this, deployable);
    const bucket = storeBucket(this, deployable, this.key);
    bucket.addToResourcePolicy(writeOnce(bucket, store, control));
    bucket.addToResourcePolicy(keepVersions(bucket, deployable));
    if (control.bucket !== store.bucket) controlBucket(this, control, this.key);
    if (deployment.replication !== undefined) replicate(this, bucket, this.key.keyArn, deployable, deployment.replication);
  }
}

const keyOf = (stack: Stack, { name, deployment }: Deployable): IKey => {
  if (deployment.kms?.key !== undefined) return Key.fromKeyArn(stack, 'Key', deployment.kms.key);
  const key = new Key(stack, 'Key', {
    alias: `lifeboat-${name}`,
    description: `Lifeboat ${name}: backups, logs, notifications. Without it no backup can be read.`,
    enableKeyRotation: true,
    removalPolicy: RemovalPolicy.RETAIN,
    pendingWindow: Duration.days(30),
  });
  const source = { StringEquals: { 'aws:SourceAccount': deployment.account } };
  key.addToResourcePolicy(
    serviceUse('Logs', `logs.${deployment.region}.amazonaws.com`, {
      ArnLike: { 'kms:EncryptionContext:aws:logs:arn': `arn:aws:logs:${deployment.region}:${deployment.account}:log-group:*` },
    }),
  );
  for (const service of ['cloudwatch', 'delivery.logs', 'sns'])
    key.addToResourcePolicy(serviceUse(`Use${service.replace('.', '')}`, `${service}.amazonaws.com`, source));
  // EventBridge does not say for whom it publishes to an encrypted topic: with a condition on it nothing is ever delivered.
  key.addToResourcePolicy(serviceUse('UseEvents', 'events.amazonaws.com', {}, ['kms:Decrypt', 'kms:GenerateDataKey*']));
  return key;
};

const serviceUse = (
  sid: string,
  service: string,
  conditions: Record<string, Record<string, string>>,
  actions: string[] = ['kms:Decrypt', 'kms:Encrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:DescribeKey'],
): PolicyStatement => new PolicyStatement({ sid, principals: [new ServicePrincipal(service)], actions, resources: ['*'], conditions });

/** What both buckets are: private, encrypted with the key, reached through TLS, versioned, kept when the stack goes. */
const common = (place: BucketPlace, key: IKey) => ({
  bucketName: place.bucket,
  versioned: true,
  encryption: BucketEncryption.KMS,
  encryptionKey: key,
  bucketKeyEnabled: true,
  enforceSSL: true,
  minimumTLSVersion: 1.2,
  blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
  objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
  removalPolicy: RemovalPolicy.RETAIN,
});

const storeBucket = (stack: Stack, { store, control, deployment }: Deployable, key: IKey): Bucket => {
  const { objectLock } = store;
  const bucket = new Bucket(stack, 'Store', {
    ...common(store, key),
    ...(objectLock === undefined ? {} : { objectLockEnabled: true, objectLockDefaultRetention: retentionOf(objectLock) }),
    lifecycleRules: [...storeRules(store, deployment.coldAfterDays), ...(control.bucket === store.bucket ? [controlRule(control)] : [])],
  });
  acknowledge(
    bucket,
    'AwsSolutions-S1',
    'CloudTrail data events record who reads and writes backups; server access logs would say less, and unencrypted.',
  );
  acknowledge(
    bucket,
    'CloudFormation-Validate::W9003',
    'The CDK writes the size limit of a lifecycle rule as a number, which CloudFormation takes.',
  );
  return bucket;
};

const retentionOf = ({ mode, days }: NonNullable<BucketPlace['objectLock']>): ObjectLockRetention =>
  mode === 'COMPLIANCE' ? ObjectLockRetention.compliance(Duration.days(days)) : ObjectLockRetention.governance(Duration.days(days));

/** No rule expires a current version: what is there is there until it is pruned, and then for UNDO_DAYS more. */
const storeRules = (store: BucketPlace, coldAfterDays: number | undefined): LifecycleRule[] => [
  { id: 'unfinished-uploads', abortIncompleteMultipartUploadAfter: Duration.days(UPLOAD_DAYS) },
  { id: 'pruned', noncurrentVersionExpiration: Duration.days(UNDO_DAYS), expiredObjectDeleteMarker: true },
  ...(coldAfterDays === undefined
    ? []
    : [
        {
          id: 'cold',
          ...(store.prefix === '' ? {} : { prefix: store.prefix }),
          // Smaller objects cost more there than here.
          objectSizeGreaterThan: 128 * 1024,
          transitions: [{ storageClass: StorageClass.GLACIER_INSTANT_RETRIEVAL, transitionAfter: Duration.days(coldAfterDays) }],
        },
      ]),
];

const controlRule = (control: BucketPlace): LifecycleRule => ({
  id: 'short-lived',
  ...(control.prefix === '' ? {} : { prefix: control.prefix }),
  expiration: Duration.days(CONTROL_DAYS),
  noncurrentVersionExpiration: Duration.days(1),
});

const controlBucket = (stack: Stack, control: BucketPlace, key: IKey): void => {
  const bucket = new Bucket(stack, 'Control', {
    ...common(control, key),
    lifecycleRules: [{ id: 'unfinished-uploads', abortIncompleteMultipartUploadAfter: Duration.days(UPLOAD_DAYS) }, controlRule(control)],
  });
  acknowledge(bucket, 'AwsSolutions-S1', 'Holds leases, plans and Map results for 30 days; CloudTrail records who reaches them.');
};
