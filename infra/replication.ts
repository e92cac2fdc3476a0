import type { Stack } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { type Bucket, CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { Deployment } from '../src/environment/deployment.ts';
import type { Deployable } from './deployable.ts';
import { serviceRole } from './service-role.ts';

/** Copies every new object to a bucket of another region or account. Markers of deletion stay here: a replica is not pruned with us. */
export const replicate = (
  stack: Stack,
  bucket: Bucket,
  keyArn: string,
  { name, store, deployment }: Deployable,
  to: NonNullable<Deployment['replication']>,
): void => {
  const destination = `arn:aws:s3:::${to.bucket}`;
  const via = (region: string) => ({ StringEquals: { 'kms:ViaService': `s3.${region}.amazonaws.com` } });
  const own = `arn:aws:s3:::${store.bucket}`;
  const role = serviceRole(stack, 'Replication', {
    name: `${name}-replication`,
    service: 's3',
    description: `Lifeboat ${name}: copies backups to their replica.`,
    account: deployment.account,
    statements: [
      new PolicyStatement({ sid: 'ReadRules', actions: ['s3:GetReplicationConfiguration', 's3:ListBucket'], resources: [own] }),
      new PolicyStatement({
        sid: 'ReadVersions',
        actions: [
          's3:GetObjectVersionForReplication',
          's3:GetObjectVersionAcl',
          's3:GetObjectVersionTagging',
          's3:GetObjectRetention',
          's3:GetObjectLegalHold',
        ],
        resources: [`${own}/${store.prefix}*`],
      }),
      new PolicyStatement({
        sid: 'WriteReplica',
        actions: ['s3:ReplicateObject', 's3:ReplicateTags', 's3:ObjectOwnerOverrideToBucketOwner'],
        resources: [`${destination}/${store.prefix}*`],
      }),
      new PolicyStatement({ sid: 'Decrypt', actions: ['kms:Decrypt'], resources: [keyArn], conditions: via(deployment.region) }),
      new PolicyStatement({ sid: 'EncryptReplica', actions: ['kms:Encrypt'], resources: [to.key], conditions: via(to.region) }),
    ],
  });
  const resource = bucket.node.defaultChild;
  if (!(resource instanceof CfnBucket)) throw new TypeError('the bucket is no bucket');
  resource.replicationConfiguration = {
    role: role.roleArn,
    rules: [
      {
        id: 'replica',
        status: 'Enabled',
        priority: 1,
        filter: { prefix: store.prefix },
        deleteMarkerReplication: { status: 'Disabled' },
        sourceSelectionCriteria: { sseKmsEncryptedObjects: { status: 'Enabled' } },
        destination: {
          bucket: destination,
          account: to.account,
          encryptionConfiguration: { replicaKmsKeyId: to.key },
          ...(to.account === deployment.account ? {} : { accessControlTranslation: { owner: 'Destination' } }),
        },
      },
    ],
  };
};
