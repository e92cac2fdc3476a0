import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { exampleWith, resourcesOf, synthesized } from './support.ts';

const { storage, template } = synthesized();
const stack = template(storage);

const STORE = { BucketName: 'acme-lifeboat-store' };
const CONTROL = { BucketName: 'acme-lifeboat-control' };

type Example = Parameters<NonNullable<Parameters<typeof exampleWith>[0]>>[0];

/** With one source: the others only take time to synthesize. */
const alone = (raw: Example): Example => {
  Object.assign(raw, { sources: { 'catalog-prod': raw.sources['catalog-prod'] } });
  Object.assign(raw.deployment, { storage: {} });
  return raw;
};

describe('the storage stack', () => {
  it('cannot be deleted by mistake, and keeps everything if it is', () => {
    expect(storage.terminationProtection).toBe(true);
    for (const type of ['AWS::S3::Bucket', 'AWS::KMS::Key'])
      stack.allResources(type, { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
  });

  it('has private, versioned buckets that are encrypted with a key that rotates', () => {
    stack.resourceCountIs('AWS::S3::Bucket', 2);
    stack.allResourcesProperties('AWS::S3::Bucket', {
      VersioningConfiguration: { Status: 'Enabled' },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ BucketKeyEnabled: true, ServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' } }],
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
    });
    stack.allResourcesProperties('AWS::KMS::Key', { EnableKeyRotation: true });
  });

  it('locks the store, and not what is replaced', () => {
    stack.hasResourceProperties('AWS::S3::Bucket', {
      ...STORE,
      ObjectLockEnabled: true,
      ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 35 } } },
    });
    stack.hasResourceProperties('AWS::S3::Bucket', { ...CONTROL, ObjectLockEnabled: Match.absent() });
  });

  it('lets nothing expire that is current in the store', () => {
    const [store] = resourcesOf(stack, 'AWS::S3::Bucket').filter(({ Properties }) => Properties['BucketName'] === STORE.BucketName);
    const rules = JSON.parse(JSON.stringify(store?.Properties['LifecycleConfiguration'])).Rules as Record<string, unknown>[];
    expect(rules.map(({ Id }) => Id)).toEqual(['unfinished-uploads', 'pruned', 'cold']);
    for (const rule of rules)
      expect(Object.keys(rule)).not.toEqual(expect.arrayContaining([expect.stringMatching(/^Expiration(InDays|Date)$/)]));
    expect(rules[0]).toMatchObject({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 } });
    expect(rules[1]).toMatchObject({ NoncurrentVersionExpiration: { NoncurrentDays: 30 }, ExpiredObjectDeleteMarker: true });
  });

  it('lets what is under control expire', () => {
    stack.hasResourceProperties('AWS::S3::Bucket', {
      ...CONTROL,
      LifecycleConfiguration: { Rules: Match.arrayWith([Match.objectLike({ Id: 'short-lived', ExpirationInDays: 30, Prefix: 'prod/' })]) },
    });
  });

  it('refuses requests without TLS, and objects that are written over others', () => {
    const policy = (match: object) =>
      stack.hasResourceProperties('AWS::S3::BucketPolicy', { PolicyDocument: { Statement: Match.arrayWith([Match.objectLike(match)]) } });
    policy({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } });
    policy({
      Sid: 'WriteOnce',
      Effect: 'Deny',
      Principal: { AWS: '*' },
      Action: 's3:PutObject',
      Condition: { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
    });
    policy({ Sid: 'KeepVersions', Effect: 'Deny', Action: Match.arrayWith(['s3:DeleteObjectVersion', 's3:BypassGovernanceRetention']) });
  });

  it('copies the store to its replica, and no deletion', () => {
    stack.hasResourceProperties('AWS::S3::Bucket', {
      ...STORE,
      ReplicationConfiguration: {
        Rules: [
          Match.objectLike({
            Status: 'Enabled',
            Filter: { Prefix: 'prod/' },
            DeleteMarkerReplication: { Status: 'Disabled' },
            Destination: Match.objectLike({
              Bucket: 'arn:aws:s3:::acme-lifeboat-replica',
              Account: '210987654321',
              AccessControlTranslation: { Owner: 'Destination' },
            }),
          }),
        ],
      },
    });
  });

  it('has one bucket when nothing is locked, and lets control be replaced in it', () => {
    const one = synthesized(
      exampleWith((raw) => {
        Reflect.deleteProperty(raw, 'control');
        Reflect.deleteProperty(raw.store, 'objectLock');
        alone(raw);
      }),
    );
    const single = one.template(one.storage);
    single.resourceCountIs('AWS::S3::Bucket', 1);
    single.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Sid: 'WriteOnce', NotResource: 'arn:aws:s3:::acme-lifeboat-store/prod/.control/*' }),
        ]),
      },
    });
    single.hasResourceProperties('AWS::S3::Bucket', {
      LifecycleConfiguration: { Rules: Match.arrayWith([Match.objectLike({ Id: 'short-lived', Prefix: 'prod/.control/' })]) },
    });
  });

  it('lets services use the key for this account, and EventBridge without a word of it, since it does not say for whom it asks', () => {
    const allowing = (match: object) =>
      stack.hasResourceProperties('AWS::KMS::Key', { KeyPolicy: { Statement: Match.arrayWith([Match.objectLike(match)]) } });
    allowing({
      Principal: { Service: 'logs.eu-central-1.amazonaws.com' },
      Condition: { ArnLike: { 'kms:EncryptionContext:aws:logs:arn': 'arn:aws:logs:eu-central-1:123456789012:log-group:*' } },
    });
    allowing({
      Principal: { Service: 'cloudwatch.amazonaws.com' },
      Condition: { StringEquals: { 'aws:SourceAccount': '123456789012' } },
    });
    allowing({
      Principal: { Service: 'events.amazonaws.com' },
      Action: ['kms:Decrypt', 'kms:GenerateDataKey*'],
      Condition: Match.absent(),
    });
  });

  it('uses a key that is there already', () => {
    const own = 'arn:aws:kms:eu-central-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef';
    const given = synthesized(exampleWith((raw) => Object.assign(alone(raw).deployment, { kms: { key: own } })));
    const other = given.template(given.storage);
    other.resourceCountIs('AWS::KMS::Key', 0);
    other.allResourcesProperties('AWS::S3::Bucket', {
      BucketEncryption: { ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { KMSMasterKeyID: own } }] },
    });
  });
});
