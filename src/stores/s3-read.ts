import { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { LifeboatError } from '../errors.ts';
import { checkRange } from './body.ts';
import { deedOf, fullKey, type Place, pause, sent } from './s3-client.ts';
import { headObject } from './s3-create.ts';
import { isPreconditionFailed, statusOf, unavailable } from './s3-errors.ts';
import type { ReadOptions } from './store.ts';

/** Requests in a row that may break off without a byte; one that brought something does not count. */
const FRUITLESS_MAX = 5;

/** Where a read is, and of which object: one that goes on must not go on in another. */
interface Reading {
  position: number;
  /** Undefined until the first answer. */
  end: number | undefined;
  etag?: string | undefined;
  versionId?: string | undefined;
}

/** Streams an object; a stream that breaks off is taken up again where it ended. */
export async function* readObject(place: Place, key: string, options: ReadOptions): AsyncGenerator<Uint8Array> {
  const { range, signal } = options;
  checkRange(range);
  signal?.throwIfAborted();
  if (range !== undefined && range.start === range.end) return checkThere(place, key, options);
  const reading: Reading = { position: range?.start ?? 0, end: range?.end, versionId: options.versionId };
  for (let fruitless = 0; ; ) {
    const before = reading.position;
    const stream = await open(place, key, reading, signal);
    if (stream === undefined) return;
    const broke = yield* follow(stream, reading, signal);
    if (reading.position === reading.end) return checkEnd(broke, place, key);
    fruitless = reading.position === before ? fruitless + 1 : 0;
    if (fruitless === FRUITLESS_MAX || reading.position > (reading.end ?? 0))
      throw unavailable(
        broke ?? new Error(`the stream ended at byte ${reading.position} of ${reading.end}`),
        deedOf(place, 'GetObject', key),
      );
    await pause(fruitless, signal);
  }
}

/** No bytes are asked for, which S3 has no request for; a missing object is missing all the same. */
const checkThere = async (place: Place, key: string, { versionId, signal }: ReadOptions): Promise<void> => {
  if ((await headObject(place, key, versionId, signal)) === undefined)
    throw new LifeboatError('NoSuchObject', `there is no s3://${place.bucket}/${fullKey(place, key)}`);
};

/** The rest of the object from where the reading is; undefined when it begins behind the object's end. */
const open = async (place: Place, key: string, reading: Reading, signal: AbortSignal | undefined): Promise<Readable | undefined> => {
  const { position, end, etag, versionId } = reading;
  const found = await sent(deedOf(place, 'GetObject', key), signal, async () => {
    try {
      return await place.client.send(
        new GetObjectCommand({
          Bucket: place.bucket,
          Key: fullKey(place, key),
          ...(position === 0 && end === undefined ? {} : { Range: `bytes=${position}-${end === undefined ? '' : end - 1}` }),
          ...(etag === undefined ? {} : { IfMatch: etag }),
          ...(versionId === undefined ? {} : { VersionId: versionId }),
        }),
        signal === undefined ? {} : { abortSignal: signal },
      );
    } catch (error) {
      if (statusOf(error) === 416) return undefined;
      if (!isPreconditionFailed(error)) throw error;
      throw new LifeboatError('StoreConflict', `s3://${place.bucket}/${fullKey(place, key)} was replaced while it was read`);
    }
  });
  if (found === undefined) return undefined;
  reading.end = endOf(found, position);
  reading.etag = found.ETag;
  reading.versionId = found.VersionId ?? versionId;
  if (!(found.Body instanceof Readable)) throw new TypeError('the SDK gave no stream');
  return found.Body;
};

/** A server that ignores the range would give other bytes than asked for. */
const endOf = (found: GetObjectCommandOutput, position: number): number => {
  const starts = found.ContentRange === undefined ? 0 : Number(/^bytes (\d+)-/.exec(found.ContentRange)?.[1] ?? Number.NaN);
  if (found.ContentLength === undefined || starts !== position)
    throw new LifeboatError('StoreUnavailable', `the store answered from byte ${starts} instead of ${position}`);
  return position + found.ContentLength;
};

/** Yields what comes, and returns why it ended if not well. */
async function* follow(stream: Readable, reading: Reading, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, unknown> {
  const cancel = (): void => void stream.destroy();
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted === true) cancel();
  try {
    for await (const chunk of stream) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError('the SDK gave a stream of something else than bytes');
      reading.position += chunk.length;
      yield chunk;
    }
    return undefined;
  } catch (error) {
    signal?.throwIfAborted();
    return error;
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

/** All bytes came, and still the stream failed: their checksum is not that of the object. */
const checkEnd = (broke: unknown, place: Place, key: string): void => {
  if (broke === undefined) return;
  throw new LifeboatError(
    'SegmentMismatch',
    `s3://${place.bucket}/${fullKey(place, key)} arrived with another checksum than it was stored with`,
    {
      hint: 'Try again; if it stays so, the object is damaged: restore another backup.',
      cause: broke,
    },
  );
};
