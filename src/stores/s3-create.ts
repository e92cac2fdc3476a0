import { HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { LifeboatError } from '../errors.ts';
import { bytesOf, piece } from './body.ts';
import { crcOf, deedOf, fullKey, type Place, pause, sent, TRIES } from './s3-client.ts';
import {
  attemptsOf,
  type Deed,
  isConflict,
  isDamaged,
  isMissing,
  isNoSuchUpload,
  isPreconditionFailed,
  s3Error,
  unavailable,
} from './s3-errors.ts';
import { createMultipart } from './s3-multipart.ts';
import type { Body, Created, ObjectInfo } from './store.ts';

/**
 * Conditional creation. When it is not known whether a request was carried out, the object that then lies there may be ours or
 * another's: both answer `created: false`, and who wants to know compares.
 */
export const createObject = async (place: Place, key: string, body: Body, signal?: AbortSignal): Promise<Created> => {
  const whole = bytesOf(body) <= (body instanceof Uint8Array ? place.tuning.singleBytes : place.tuning.partBytes);
  const deed = deedOf(place, whole ? 'PutObject' : 'CompleteMultipartUpload', key);
  for (let tries = 1; ; tries++) {
    if (!whole) {
      const there = await headObject(place, key, undefined, signal);
      if (there !== undefined) return { created: false, versionId: there.versionId };
    }
    try {
      return whole ? await putObject(place, key, body, signal) : await createMultipart(place, key, body, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const there = await afterFailure(place, key, error, deed, signal);
      if (there !== undefined) return { created: false, versionId: there.versionId };
      if (tries === TRIES) throw isPreconditionFailed(error) ? unavailable(error, deed) : s3Error(error, deed);
      await pause(tries, signal);
    }
  }
};

/** The object that is there now; undefined when the creation may be tried again. Throws when trying again is of no use. */
const afterFailure = async (
  place: Place,
  key: string,
  error: unknown,
  deed: Deed,
  signal: AbortSignal | undefined,
): Promise<ObjectInfo | undefined> => {
  if (isConflict(error) || isDamaged(error)) return undefined;
  if (isPreconditionFailed(error) || (isNoSuchUpload(error) && attemptsOf(error) > 1)) return headObject(place, key, undefined, signal);
  const failure = s3Error(error, deed);
  if (!(failure instanceof LifeboatError && failure.code === 'StoreUnavailable')) throw failure;
  // The outcome is unknown. If this fails as well, the first failure is the one to tell.
  const there = await headObject(place, key, undefined, signal).catch(() => undefined);
  signal?.throwIfAborted();
  if (there === undefined) throw failure;
  return there;
};

const putObject = async (place: Place, key: string, body: Body, signal: AbortSignal | undefined): Promise<Created> => {
  const size = bytesOf(body);
  const bytes = await piece(body, 0, size, () => Buffer.allocUnsafeSlow(size));
  const { versionId } = await putBytes(place, key, bytes, { IfNoneMatch: '*' }, signal);
  return { created: true, versionId };
};

/** One conditional PUT. Throws errors of the SDK as they are. */
export const putBytes = async (
  place: Place,
  key: string,
  bytes: Uint8Array,
  condition: { readonly IfNoneMatch: '*' } | { readonly IfMatch: string },
  signal?: AbortSignal,
): Promise<{ readonly etag: string; readonly versionId: string | undefined }> => {
  const checksum = (await place.checksums()) ? { ChecksumCRC32: crcOf(bytes) } : {};
  const { ETag, VersionId, ChecksumCRC32 } = await place.client.send(
    new PutObjectCommand({ Bucket: place.bucket, Key: fullKey(place, key), Body: bytes, ...condition, ...checksum }),
    signal === undefined ? {} : { abortSignal: signal },
  );
  // It is stored by now; another try finds it there, and who compares finds out.
  if (checksum.ChecksumCRC32 !== undefined && (ChecksumCRC32 ?? checksum.ChecksumCRC32) !== checksum.ChecksumCRC32)
    throw unavailable(new Error('the answer has another checksum than what was sent'), deedOf(place, 'PutObject', key));
  return { etag: ETag ?? '', versionId: VersionId };
};

export const headObject = async (place: Place, key: string, versionId?: string, signal?: AbortSignal): Promise<ObjectInfo | undefined> => {
  const deed = deedOf(place, 'HeadObject', key);
  return sent(deed, signal, async () => {
    try {
      const found = await place.client.send(
        new HeadObjectCommand({
          Bucket: place.bucket,
          Key: fullKey(place, key),
          ...(versionId === undefined ? {} : { VersionId: versionId }),
        }),
        signal === undefined ? {} : { abortSignal: signal },
      );
      return {
        key,
        bytes: found.ContentLength ?? 0,
        modified: found.LastModified ?? new Date(0),
        etag: found.ETag ?? '',
        ...(found.VersionId === undefined ? {} : { versionId: found.VersionId }),
      };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  });
};
