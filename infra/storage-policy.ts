import { AnyPrincipal, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { roleName } from '../src/environment/names.ts';
import type { BucketPlace, Deployable } from './deployable.ts';
import { objectsArn } from './grants.ts';

/**
 * Nothing in the store is ever written over: a request that creates an object says `If-None-Match`. The parts of an upload
 * cannot say it and are exempt; the request that completes them is not.
 */
export const writeOnce = (bucket: Bucket, store: BucketPlace, control: BucketPlace): PolicyStatement =>
  new PolicyStatement({
    sid: 'WriteOnce',
    effect: Effect.DENY,
    principals: [new AnyPrincipal()],
    actions: ['s3:PutObject'],
    ...(control.bucket === store.bucket ? { notResources: [objectsArn(control, '*')] } : { resources: [bucket.arnForObjects('*')] }),
    conditions: { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
  });

/** Versions are what undoes a mistake, a prune included: no role of Lifeboat may remove one or shorten its retention. */
export const keepVersions = (bucket: Bucket, { name, deployment, sources }: Deployable): PolicyStatement =>
  new PolicyStatement({
    sid: 'KeepVersions',
    effect: Effect.DENY,
    principals: [new AnyPrincipal()],
    actions: [
      's3:DeleteObjectVersion',
      's3:BypassGovernanceRetention',
      's3:PutObjectRetention',
      's3:PutBucketVersioning',
      's3:PutLifecycleConfiguration',
    ],
    resources: [bucket.bucketArn, bucket.arnForObjects('*')],
    conditions: {
      ArnLike: {
        'aws:PrincipalArn': [...sources.map((source) => roleName(name, source.name, '*')), `lifeboat-${name}-*`].map(
          (role) => `arn:aws:iam::${deployment.account}:role/${role}`,
        ),
      },
    },
  });
