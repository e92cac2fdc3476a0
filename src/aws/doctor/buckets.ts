import {
  GetBucketEncryptionCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Finding } from '../../cli/engine.ts';
import type { StoreEntry } from '../../environment/environment.ts';
import { S3_TUNING, s3Client } from '../../stores/s3-client.ts';
import { nameOf } from '../../stores/s3-errors.ts';
import { asked } from '../clients.ts';
import type { Deployed } from '../machine.ts';
import { bad, examined, good } from './finding.ts';

/** Of a bucket, as S3 says. */
export interface BucketFacts {
  readonly versioned: boolean;
  /** The default retention; absent without Object Lock. */
  readonly lock?: { readonly mode: string; readonly days: number };
  /** ARN or id of the KMS key; absent where S3's own key encrypts. */
  readonly key?: string;
}

export interface Buckets {
  readonly findings: readonly Finding[];
  /** That encrypts the store. */
  readonly key: string | undefined;
}

export const buckets = async ({ environment, deployment }: Deployed): Promise<Buckets> => {
  let key: string | undefined;
  const findings: Finding[] = [];
  for (const which of ['store', 'control'] as const) {
    const place = environment[which];
    const url = new URL(place.url);
    if (url.protocol !== 's3:') continue;
    const what = `bucket ${url.host}`;
    const found = await examined(what, async () => {
      const client = s3Client({ region: deployment.region, ...place }, S3_TUNING);
      try {
        const facts = await factsOf(client, url.host, deployment.region);
        if (which === 'store') key = facts.key;
        return judgeBucket(what, which === 'store' ? place.objectLock : undefined, which, facts);
      } finally {
        client.destroy();
      }
    });
    findings.push(...found);
  }
  return { findings, key };
};

const factsOf = async (client: S3Client, bucket: string, region: string): Promise<BucketFacts> => {
  const deed = (action: string) => ({ action, resource: bucket, region });
  const Bucket = bucket;
  const { Status } = await asked(deed('s3:GetBucketVersioning'), undefined, () => client.send(new GetBucketVersioningCommand({ Bucket })));
  const lock = await absent('ObjectLockConfigurationNotFoundError', () =>
    asked(deed('s3:GetBucketObjectLockConfiguration'), undefined, () => client.send(new GetObjectLockConfigurationCommand({ Bucket }))),
  );
  const encryption = await absent('ServerSideEncryptionConfigurationNotFoundError', () =>
    asked(deed('s3:GetEncryptionConfiguration'), undefined, () => client.send(new GetBucketEncryptionCommand({ Bucket }))),
  );
  const retention = lock?.ObjectLockConfiguration?.Rule?.DefaultRetention;
  const key = encryption?.ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault?.KMSMasterKeyID;
  return {
    versioned: Status === 'Enabled',
    ...(retention === undefined ? {} : { lock: { mode: retention.Mode ?? '', days: retention.Days ?? (retention.Years ?? 0) * 365 } }),
    ...(key === undefined ? {} : { key }),
  };
};

/** A configuration that was never made is an answer. */
const absent = async <T>(name: string, ask: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Error && nameOf(error.cause) === name) return undefined;
    throw error;
  }
};

export const judgeBucket = (
  what: string,
  wanted: StoreEntry['objectLock'],
  which: 'store' | 'control',
  { versioned, lock, key }: BucketFacts,
): readonly Finding[] => [
  versioned || which === 'control'
    ? good(what, versioned ? 'is versioned: what is pruned can be brought back' : 'is there')
    : bad(what, 'is not versioned: what is pruned is gone', 'Deploy the storage stack; it makes the bucket as it has to be.'),
  ...judgeLock(`${what}, Object Lock`, wanted, which, lock),
  key === undefined
    ? bad(`${what}, encryption`, 'has no KMS key of its own', 'Deploy the storage stack; it encrypts with a key that rotates.')
    : good(`${what}, encryption`, `with ${key}`),
];

const judgeLock = (
  what: string,
  wanted: StoreEntry['objectLock'],
  which: 'store' | 'control',
  lock: BucketFacts['lock'],
): readonly Finding[] => {
  if (which === 'control')
    return lock === undefined ? [] : [bad(what, 'is on, and what lies under control is replaced', 'Use a bucket without it for control.')];
  if (wanted === undefined && lock === undefined) return [];
  const said = lock === undefined ? 'is off' : `is ${lock.mode}, ${lock.days} days`;
  if (wanted === undefined)
    return [bad(what, `${said}; the environment says nothing of it`, 'Add objectLock to store, or PUTs lack their checksum.')];
  return lock?.mode === wanted.mode && lock.days === wanted.days
    ? [good(what, said)]
    : [
        bad(
          what,
          `${said}; the environment says ${wanted.mode}, ${wanted.days} days`,
          'Deploy again. A bucket that was made without it cannot have it: make a new one.',
        ),
      ];
};
