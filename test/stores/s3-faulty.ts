import { afterAll, afterEach, beforeAll, expect, vi } from 'vitest';
import { isLifeboatError, type LifeboatError } from '../../src/errors.ts';
import { s3Store } from '../../src/stores/s3.ts';
import type { Store } from '../../src/stores/store.ts';
import type { Fault, FaultRule } from '../support/s3-fake/faults.ts';
import { type S3Server, startS3Server } from '../support/s3-server.ts';

/** Of the stores below, in bytes: S3's least. */
export const PART = 5 * 1024 * 1024;

export interface FaultyS3 {
  readonly server: () => S3Server;
  /** A store on a bucket of its own. */
  open(tuning?: Parameters<typeof s3Store>[3]): Store;
  inject(on: string, fault: Fault, more?: Partial<FaultRule>): void;
  /** Requests of an operation that arrived during this test. */
  count(operation: string): number;
}

/** A server for the tests of a file. After each, all faults must have happened, and no upload may be left open. */
export const useFaultyS3 = (): FaultyS3 => {
  let server: S3Server;
  let made = 0;

  beforeAll(async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'very-secret-key');
    vi.stubEnv('AWS_SESSION_TOKEN', 'very-secret-token');
    server = await startS3Server();
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await server.stop();
  });
  afterEach(() => {
    const pending = server.faults.pending();
    server.faults.clear();
    server.seen.length = 0;
    for (const bucket of server.buckets.values()) {
      const uploads = bucket.uploads.size;
      bucket.uploads.clear();
      expect(uploads, 'uploads that were neither completed nor aborted').toBe(0);
    }
    expect(pending, 'faults that did not happen').toEqual([]);
  });

  return {
    server: () => server,
    open(tuning = {}) {
      const bucket = `bucket-${made++}`;
      server.addBucket(bucket);
      return s3Store(bucket, 'p/', { endpoint: server.endpoint }, { partBytes: PART, attempts: 4, ...tuning });
    },
    inject: (on, fault, more = {}) => server.faults.add({ on, fault, ...more }),
    count: (operation) => server.seen.filter((seen) => seen.operation === operation).length,
  };
};

/** The failure of the work, which must be one of ours. */
export const failureOf = async (work: () => Promise<unknown>): Promise<LifeboatError> => {
  try {
    await work();
  } catch (error) {
    if (isLifeboatError(error)) return error;
    throw error;
  }
  throw new Error('nothing failed');
};
