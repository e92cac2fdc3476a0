import { createHash, randomBytes } from 'node:crypto';
import type { Checksum } from './body.ts';
import { S3Error } from './xml.ts';

export interface Version {
  readonly id: string;
  readonly bytes: Buffer;
  readonly deleted: boolean;
  readonly etag: string;
  readonly modified: Date;
  readonly checksum: Checksum | undefined;
  readonly headers: Readonly<Record<string, string>>;
  lock?: { readonly mode: string; readonly until: Date };
}

export interface Part {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly checksum: Checksum | undefined;
}

export interface Upload {
  readonly id: string;
  readonly key: string;
  readonly algorithm: string;
  readonly parts: Map<number, Part>;
  readonly begun: Date;
}

export interface Bucket {
  readonly name: string;
  versioned: boolean;
  /** Object Lock is on; `days` is the default retention, if any. */
  lock: { readonly mode?: string; readonly days?: number } | undefined;
  /** Newest last. */
  readonly objects: Map<string, Version[]>;
  readonly uploads: Map<string, Upload>;
}

export const newBucket = (name: string, options: { readonly versioned?: boolean; readonly lock?: Bucket['lock'] } = {}): Bucket => ({
  name,
  versioned: options.versioned === true || options.lock !== undefined,
  lock: options.lock,
  objects: new Map(),
  uploads: new Map(),
});

export const etagOf = (bytes: Buffer): string => `"${createHash('md5').update(bytes).digest('hex')}"`;

/** The version that a reader sees. */
export const current = (bucket: Bucket, key: string): Version | undefined => {
  const version = bucket.objects.get(key)?.at(-1);
  return version === undefined || version.deleted ? undefined : version;
};

export interface Condition {
  readonly ifMatch: string;
  readonly ifNoneMatch: string;
}

/** Of writes. */
export const checkCondition = (bucket: Bucket, key: string, { ifMatch, ifNoneMatch }: Condition): void => {
  const there = current(bucket, key);
  if (ifNoneMatch !== '' && ifNoneMatch !== '*') throw new S3Error(501, 'NotImplemented');
  if (ifNoneMatch === '*' && there !== undefined) throw new S3Error(412, 'PreconditionFailed');
  if (ifMatch === '') return;
  if (there === undefined) throw new S3Error(404, 'NoSuchKey');
  if (there.etag !== ifMatch) throw new S3Error(412, 'PreconditionFailed');
};

export const store = (
  bucket: Bucket,
  key: string,
  version: Omit<Version, 'id' | 'modified' | 'deleted'> & { readonly deleted?: boolean },
): Version => {
  const added: Version = {
    ...version,
    deleted: version.deleted === true,
    id: bucket.versioned ? randomBytes(16).toString('hex') : 'null',
    // S3's times have no fractions of a second.
    modified: new Date(Math.floor(Date.now() / 1000) * 1000),
  };
  const { mode, days } = bucket.lock ?? {};
  if (!added.deleted && added.lock === undefined && mode !== undefined && days !== undefined)
    added.lock = { mode, until: new Date(Date.now() + days * 86_400_000) };
  bucket.objects.set(key, bucket.versioned ? [...(bucket.objects.get(key) ?? []), added] : [added]);
  return added;
};

/** A plain DELETE adds a marker; one of a version removes it, unless it is locked. */
export const remove = (bucket: Bucket, key: string, versionId: string | undefined, bypass: boolean): { readonly marker?: string } => {
  if (versionId === undefined) {
    if (!bucket.versioned) {
      bucket.objects.delete(key);
      return {};
    }
    const marker = store(bucket, key, { bytes: Buffer.alloc(0), etag: '', checksum: undefined, headers: {}, deleted: true });
    return { marker: marker.id };
  }
  const versions = bucket.objects.get(key) ?? [];
  const lock = versions.find(({ id }) => id === versionId)?.lock;
  if (lock !== undefined && lock.until > new Date() && !(bypass && lock.mode === 'GOVERNANCE'))
    throw new S3Error(403, 'AccessDenied', 'Access Denied because object protected by object lock.');
  const left = versions.filter(({ id }) => id !== versionId);
  if (left.length === 0) bucket.objects.delete(key);
  else bucket.objects.set(key, left);
  return {};
};
