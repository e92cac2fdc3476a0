import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { deedOf, fullKey, type Place, sent } from './s3-client.ts';
import { createObject, headObject } from './s3-create.ts';
import { isConflict, isPreconditionFailed, s3Error, statusOf, unavailable } from './s3-errors.ts';
import { quickCopy } from './s3-quick-copy.ts';
import type { Created, StoredObject } from './store.ts';

const PARTS_AT_ONCE = 4;

/**
 * Copies an object of the same server into this store; the bytes never come here. Metadata and tags of the original stay behind:
 * reading tags takes a permission of its own.
 */
export const copyObject = async (place: Place, key: string, from: StoredObject, signal?: AbortSignal): Promise<Created> => {
  const options = signal === undefined ? {} : { abortSignal: signal };
  const source = [from.store.bucket, ...(from.store.prefix + from.key).split('/')].map(encodeURIComponent).join('/');
  const deed = {
    ...deedOf(place, 'CopyObject', key),
    key: `${fullKey(place, key)} from s3://${from.store.bucket}/${from.store.prefix}${from.key}`,
  };
  if (from.bytes > place.tuning.copyBytes || refusing.has(place)) return copyInParts(place, key, { ...from, source }, signal);
  if (from.etag === '' && (await quickCopy(place, fullKey(place, key), source, signal))) return { created: true };
  try {
    const done = await place.client.send(
      new CopyObjectCommand({
        Bucket: place.bucket,
        Key: fullKey(place, key),
        CopySource: source,
        TaggingDirective: 'REPLACE',
        IfNoneMatch: '*',
        ...(from.etag === '' ? {} : { CopySourceIfMatch: from.etag }),
      }),
      options,
    );
    if (done.CopyObjectResult?.ETag === undefined) throw unavailable(new Error('the copy ended without an etag'), deed);
    return { created: true, versionId: done.VersionId };
  } catch (error) {
    signal?.throwIfAborted();
    if (statusOf(error) === NOT_IMPLEMENTED) {
      refusing.add(place);
      return copyInParts(place, key, { ...from, source }, signal);
    }
    if (!isPreconditionFailed(error) && !isConflict(error)) throw s3Error(error, deed);
    const there = await headObject(place, key, undefined, signal);
    if (there === undefined) throw unavailable(error, deed);
    return { created: false, versionId: there.versionId };
  }
};

const NOT_IMPLEMENTED = 501;

/** Places whose bucket takes no CopyObject with a condition, as S3 says of buckets whose policy demands one. Parts are always taken. */
const refusing = new WeakSet<Place>();

interface LargeSource extends StoredObject {
  readonly source: string;
}

const copyInParts = async (place: Place, key: string, from: LargeSource, signal: AbortSignal | undefined): Promise<Created> => {
  // There is no range of nothing.
  if (from.bytes === 0) return createObject(place, key, new Uint8Array(), signal);
  const there = await headObject(place, key, undefined, signal);
  if (there !== undefined) return { created: false, versionId: there.versionId };
  const deed = deedOf(place, 'UploadPartCopy', key);
  return sent(deed, signal, async () => {
    const target = { Bucket: place.bucket, Key: fullKey(place, key) };
    const { UploadId } = await place.client.send(new CreateMultipartUploadCommand(target));
    if (UploadId === undefined) throw unavailable(new Error('the answer has no upload id'), deed);
    try {
      const Parts = await copyParts(place, { ...target, UploadId }, from, signal);
      const done = await place.client.send(
        new CompleteMultipartUploadCommand({ ...target, UploadId, IfNoneMatch: '*', MultipartUpload: { Parts } }),
      );
      return { created: true, versionId: done.VersionId };
    } catch (error) {
      // Where this fails, too, a lifecycle rule removes the parts; the first error is the one to tell.
      await place.client.send(new AbortMultipartUploadCommand({ ...target, UploadId })).catch(() => {});
      // Another attempt was faster.
      const other = isPreconditionFailed(error) ? await headObject(place, key, undefined, signal) : undefined;
      if (other !== undefined) return { created: false, versionId: other.versionId };
      throw error;
    }
  });
};

const copyParts = async (
  { client, tuning: { copyPartBytes } }: Place,
  upload: { readonly Bucket: string; readonly Key: string; readonly UploadId: string },
  from: LargeSource,
  signal: AbortSignal | undefined,
): Promise<CompletedPart[]> => {
  const parts = Math.ceil(from.bytes / copyPartBytes);
  const done: CompletedPart[] = [];
  let next = 0;
  let failed = false;
  const lane = async (): Promise<void> => {
    for (let part = next++; part < parts && !failed; part = next++) {
      signal?.throwIfAborted();
      const end = Math.min(from.bytes, (part + 1) * copyPartBytes) - 1;
      const { CopyPartResult } = await client.send(
        new UploadPartCopyCommand({
          ...upload,
          PartNumber: part + 1,
          CopySource: from.source,
          CopySourceRange: `bytes=${part * copyPartBytes}-${end}`,
          ...(from.etag === '' ? {} : { CopySourceIfMatch: from.etag }),
        }),
      );
      done[part] = { PartNumber: part + 1, ETag: CopyPartResult?.ETag };
    }
  };
  const guarded = (): Promise<void> =>
    lane().catch((error: unknown) => {
      failed = true;
      throw error;
    });
  const ended = await Promise.allSettled(Array.from({ length: Math.min(PARTS_AT_ONCE, parts) }, guarded));
  for (const lane of ended) if (lane.status === 'rejected') throw lane.reason;
  return done;
};
