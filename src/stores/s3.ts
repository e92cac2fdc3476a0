import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { checkKey, checkPrefix, checkReplaced } from './keys.ts';
import { deedOf, fullKey, type Place, pause, S3_TUNING, type S3Options, type S3Tuning, s3Client, sent, TRIES } from './s3-client.ts';
import { copyObject } from './s3-copy.ts';
import { createObject, headObject, putBytes } from './s3-create.ts';
import { attemptsOf, isConflict, isDamaged, isMissing, isPreconditionFailed, s3Error } from './s3-errors.ts';
import { listObjects } from './s3-list.ts';
import { readObject } from './s3-read.ts';
import type { Store } from './store.ts';

/** A store below `prefix` (empty, or with a slash at the end) of a bucket. Credentials come from the SDK's default chain. */
export const s3Store = (bucket: string, prefix: string, options: S3Options = {}, tuning: Partial<S3Tuning> = {}): Store => {
  const tuned = { ...S3_TUNING, ...tuning };
  const client = s3Client(options, tuned);
  const place: Place = {
    client,
    bucket,
    prefix,
    checksums: async () => options.objectLock !== undefined || (await client.config.requestChecksumCalculation()) === 'WHEN_SUPPORTED',
    tuning: tuned,
  };
  return {
    server: serverOf(options),
    url: `s3://${bucket}${prefix === '' ? '' : `/${prefix.slice(0, -1)}`}`,
    bucket,
    prefix,
    async create(key, body, signal) {
      checkKey(key);
      signal?.throwIfAborted();
      return createObject(place, key, body, signal);
    },
    async copyFrom(key, from, signal) {
      checkKey(key);
      if (from.store.server !== serverOf(options)) return undefined;
      return copyObject(place, key, from, signal);
    },
    async *read(key, read = {}) {
      checkKey(key);
      yield* readObject(place, key, read);
    },
    async head(key, { versionId } = {}) {
      checkKey(key);
      return headObject(place, key, versionId);
    },
    async *list(below, { after = '' } = {}) {
      checkPrefix(below);
      yield* listObjects(place, below, after);
    },
    async delete(key) {
      checkKey(key);
      await sent(deedOf(place, 'DeleteObject', key), undefined, () =>
        client.send(new DeleteObjectCommand({ Bucket: bucket, Key: fullKey(place, key) })),
      );
    },
    async replace(key, body, ifMatch) {
      checkReplaced(key, body);
      return replaceObject(place, key, body, ifMatch);
    },
  };
};

const serverOf = ({ endpoint }: S3Options): string => `s3 ${endpoint ?? 'aws'}`;

/** Compare and swap. The SDK repeats a request whose answer was lost; the second then meets the first, and says so by 412. */
const replaceObject = async (place: Place, key: string, body: Uint8Array, ifMatch: string | null): Promise<string | undefined> => {
  const deed = deedOf(place, 'PutObject', key);
  for (let tries = 1; ; tries++) {
    try {
      return (await putBytes(place, key, body, ifMatch === null ? { IfNoneMatch: '*' } : { IfMatch: ifMatch })).etag;
    } catch (error) {
      const lost = isPreconditionFailed(error) || (ifMatch !== null && isMissing(error));
      if (lost) return attemptsOf(error) > 1 ? ownTag(place, key, body) : undefined;
      if ((isConflict(error) || isDamaged(error)) && tries < TRIES) {
        await pause(tries);
        continue;
      }
      throw s3Error(error, deed);
    }
  }
};

/** The etag of what lies there if it is what we sent. What `replace` writes carries a token, so nobody else writes the same. */
const ownTag = async (place: Place, key: string, body: Uint8Array): Promise<string | undefined> => {
  const there = await headObject(place, key);
  if (there === undefined || there.bytes !== body.length) return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of readObject(place, key, {})) chunks.push(chunk);
  if (Buffer.compare(Buffer.concat(chunks), body) !== 0) return undefined;
  // Had it been replaced between the two looks, the next replace would find out.
  return there.etag;
};
