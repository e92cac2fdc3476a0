import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { LifeboatError } from '../errors.ts';
import { bytesOf, piece } from './body.ts';
import { crcOf, deedOf, fullKey, type Place, pause, TRIES } from './s3-client.ts';
import { isDamaged, s3Error, unavailable } from './s3-errors.ts';
import type { Body, Created } from './store.ts';

/** S3's limit of parts in one upload. */
const PARTS_MAX = 10_000;

interface Upload {
  readonly place: Place;
  readonly key: string;
  readonly id: string;
  readonly body: Body;
  readonly signal: AbortSignal;
}

/**
 * Creates one object from parts of `partBytes`; at most `partsInFlight` buffers live at once, whatever the size. A failure aborts
 * the upload. Throws errors of the SDK as they are: what 409 and 412 mean is for the caller to say.
 */
export const createMultipart = async (place: Place, key: string, body: Body, signal?: AbortSignal): Promise<Created> => {
  const parts = partsOf(place, key, body);
  const { client, bucket } = place;
  const target = { Bucket: bucket, Key: fullKey(place, key) };
  const checksums = await place.checksums();
  const begun = await client.send(
    new CreateMultipartUploadCommand({ ...target, ...(checksums ? { ChecksumAlgorithm: 'CRC32' as const } : {}) }),
    options(signal),
  );
  const id = begun.UploadId;
  if (id === undefined) throw unavailable(new Error('the answer has no upload id'), deedOf(place, 'CreateMultipartUpload', key));
  try {
    const completed = await uploadParts({ place, key, id, body }, parts, checksums, signal);
    const done = await client.send(
      new CompleteMultipartUploadCommand({
        ...target,
        UploadId: id,
        IfNoneMatch: '*',
        MpuObjectSize: bytesOf(body),
        MultipartUpload: { Parts: completed },
      }),
      options(signal),
    );
    return { created: true, versionId: done.VersionId };
  } catch (error) {
    // Not under the signal, which may be why we are here. Where this fails, too, a lifecycle rule removes the parts, and the first error is told.
    await client.send(new AbortMultipartUploadCommand({ ...target, UploadId: id })).catch(() => {});
    throw error;
  }
};

const partsOf = (place: Place, key: string, body: Body): number => {
  const parts = Math.ceil(bytesOf(body) / place.tuning.partBytes);
  if (parts > PARTS_MAX)
    throw new LifeboatError(
      'SegmentTooLarge',
      `${key} has ${bytesOf(body)} bytes, more than ${PARTS_MAX} parts of ${place.tuning.partBytes}`,
    );
  return parts;
};

/** Workers take the next part until there is none; the first failure stops them all, and none runs on after this returns. */
const uploadParts = async (
  upload: Omit<Upload, 'signal'>,
  parts: number,
  checksums: boolean,
  signal: AbortSignal | undefined,
): Promise<CompletedPart[]> => {
  const { partBytes, partsInFlight } = upload.place.tuning;
  const stop = new AbortController();
  const running: Upload = { ...upload, signal: signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]) };
  const completed: CompletedPart[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    let own: Uint8Array | undefined;
    const buffer = (): Uint8Array => {
      own ??= Buffer.allocUnsafeSlow(Math.min(partBytes, bytesOf(upload.body)));
      return own;
    };
    for (let index = next++; index < parts; index = next++) {
      running.signal.throwIfAborted();
      const start = index * partBytes;
      const bytes = await piece(upload.body, start, Math.min(start + partBytes, bytesOf(upload.body)), buffer);
      completed[index] = await uploadPart(running, index + 1, bytes, checksums);
    }
  };
  const guarded = (): Promise<void> =>
    work().catch((error: unknown) => {
      // Those that fail because of this abort have its reason, so that the first error is the one that is told.
      stop.abort(error);
      throw error;
    });
  const ended = await Promise.allSettled(Array.from({ length: Math.min(partsInFlight, parts) }, guarded));
  signal?.throwIfAborted();
  if (ended.some(({ status }) => status === 'rejected')) throw stop.signal.reason;
  return completed;
};

const uploadPart = async (upload: Upload, number: number, bytes: Uint8Array, checksums: boolean): Promise<CompletedPart> => {
  const { place, key, id, signal } = upload;
  const checksum = checksums ? { ChecksumCRC32: crcOf(bytes) } : {};
  for (let tries = 1; ; tries++) {
    try {
      const { ETag, ChecksumCRC32 } = await place.client.send(
        new UploadPartCommand({
          Bucket: place.bucket,
          Key: fullKey(place, key),
          UploadId: id,
          PartNumber: number,
          Body: bytes,
          ...checksum,
        }),
        options(signal),
      );
      if (ETag === undefined) throw unavailable(new Error('the answer has no etag'), deedOf(place, 'UploadPart', key));
      if (checksum.ChecksumCRC32 !== undefined && (ChecksumCRC32 ?? checksum.ChecksumCRC32) !== checksum.ChecksumCRC32)
        throw Object.assign(new Error('the answer has another checksum than the part'), { name: 'BadDigest' });
      return { PartNumber: number, ETag, ...checksum };
    } catch (error) {
      if (!isDamaged(error)) throw error;
      if (tries === TRIES) throw s3Error(error, deedOf(place, 'UploadPart', key));
      await pause(tries, signal);
    }
  }
};

const options = (signal: AbortSignal | undefined): { abortSignal?: AbortSignal } => (signal === undefined ? {} : { abortSignal: signal });
