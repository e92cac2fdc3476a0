import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { S3Client } from '@aws-sdk/client-s3';
import { type Deed, s3Error } from './s3-errors.ts';

export interface S3Options {
  readonly region?: string | undefined;
  /** Of an S3-compatible server. */
  readonly endpoint?: string | undefined;
  /** True where an endpoint is given, unless it says otherwise. */
  readonly forcePathStyle?: boolean | undefined;
  /** WHEN_REQUIRED for servers that refuse checksum headers. */
  readonly requestChecksumCalculation?: 'WHEN_SUPPORTED' | 'WHEN_REQUIRED' | undefined;
  /** The bucket's default retention; a bucket that has one takes no object without a checksum. */
  readonly objectLock?: { readonly mode: 'GOVERNANCE' | 'COMPLIANCE'; readonly days: number } | undefined;
}

/** Sizes and patience. Tests lower them; the defaults are meant for S3 itself. */
export interface S3Tuning {
  readonly connectMs: number;
  /** Without a byte in either direction. */
  readonly idleMs: number;
  /** From the start of a request to the first byte of its answer; a part is uploaded meanwhile. */
  readonly requestMs: number;
  /** Of one request; the SDK waits longer each time, with jitter. */
  readonly attempts: number;
  /** One buffer each; 10 000 parts is S3's limit, so this also bounds an object: 8 MiB is good for 78 GiB. At least 5 MiB. */
  readonly partBytes: number;
  /** Buffers an upload has; two or three fill a function's network. */
  readonly partsInFlight: number;
  /** What is in memory anyway is sent in one piece up to here. */
  readonly singleBytes: number;
  /** Copied inside of S3 in one request up to here; S3 takes no more than 5 GiB. */
  readonly copyBytes: number;
  /** Parts of what is larger: large ones save requests, smaller ones run side by side. 10 000 of them are 5 TiB. */
  readonly copyPartBytes: number;
}

export const S3_TUNING: S3Tuning = {
  connectMs: 5_000,
  idleMs: 60_000,
  requestMs: 300_000,
  attempts: 6,
  partBytes: 8 * 1024 * 1024,
  partsInFlight: 3,
  singleBytes: 32 * 1024 * 1024,
  copyBytes: 5 * 1024 ** 3,
  copyPartBytes: 512 * 1024 * 1024,
};

/** Tries of what the SDK does not repeat by itself: conditional writes that collide, bytes damaged on their way. */
export const TRIES = 5;

const PAUSE_MS = 100;
const PAUSE_MAX_MS = 5_000;

/** Everything that the parts of the S3 store share. */
export interface Place {
  readonly client: S3Client;
  readonly bucket: string;
  /** Of all keys; empty, or ends with a slash. */
  readonly prefix: string;
  /** Whether checksums are sent, and compared with those of the answer. */
  checksums(): Promise<boolean>;
  readonly tuning: S3Tuning;
}

export const s3Client = (options: S3Options, tuning: S3Tuning): S3Client => {
  const { endpoint, requestChecksumCalculation } = options;
  const region = options.region ?? (endpoint === undefined || hasRegion() ? undefined : 'us-east-1');
  return new S3Client({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    forcePathStyle: options.forcePathStyle ?? endpoint !== undefined,
    ...(requestChecksumCalculation === undefined
      ? {}
      : { requestChecksumCalculation, responseChecksumValidation: requestChecksumCalculation }),
    // Servers that know no "100 Continue" would be waited for, and it costs a connection each time.
    expectContinueHeader: false,
    maxAttempts: tuning.attempts,
    retryMode: 'standard',
    requestHandler: {
      connectionTimeout: tuning.connectMs,
      socketTimeout: tuning.idleMs,
      requestTimeout: tuning.requestMs,
      throwOnRequestTimeout: true,
    },
  });
};

const hasRegion = (): boolean => Boolean(process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION']);

/** The full key of an object, for the API. */
export const fullKey = (place: Place, key: string): string => place.prefix + key;

export const deedOf = (place: Place, action: string, key?: string): Deed => ({
  action,
  bucket: place.bucket,
  key: key === undefined ? undefined : fullKey(place, key),
});

/** Sends a request; failures become the store's errors, and an abort the signal's reason. */
export const sent = async <T>(deed: Deed, signal: AbortSignal | undefined, request: () => Promise<T>): Promise<T> => {
  try {
    return await request();
  } catch (error) {
    signal?.throwIfAborted();
    throw s3Error(error, deed);
  }
};

/** Before try number `tries` + 1: grows, with full jitter, so that those who collided do not do so again. */
export const pause = async (tries: number, signal?: AbortSignal): Promise<void> => {
  try {
    await sleep(Math.random() * Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** tries), undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
};

/** As S3 writes it: base64 of four bytes, big end first. */
export const crcOf = (bytes: Uint8Array): string => {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(bytes));
  return sum.toString('base64');
};
