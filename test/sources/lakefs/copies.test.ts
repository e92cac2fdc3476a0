import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { objectsBelow } from '../../../src/backup/pool.ts';
import type { Objects } from '../../../src/sources/contract.ts';
import { copyMissing } from '../../../src/sources/lakefs/copies.ts';
import { s3Store } from '../../../src/stores/s3.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
import { forever } from './harness.ts';

/** S3's least part. */
const PART = 5 * 1024 * 1024;

let server: S3Server;

beforeAll(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  server = await startS3Server();
  for (const bucket of ['namespace', 'pool']) server.addBucket(bucket);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await server.stop();
});

const open = (bucket: string): Objects =>
  objectsBelow(s3Store(bucket, '', { endpoint: server.endpoint }, { copyBytes: PART, copyPartBytes: PART }), '');
const seen = (operation: string): number => server.seen.filter((each) => each.operation === operation).length;

describe('copies on S3', () => {
  it('of what S3 does not copy in one piece are made in parts, and not again', async () => {
    const [from, to] = [open('namespace'), open('pool')];
    const large = Buffer.alloc(2 * PART + 17, 'lakefs');
    await from.create('data/large', large);
    await from.create('data/small', Buffer.from('small'));
    const items = [
      { key: 'data/large', bytes: large.length },
      { key: 'data/small', bytes: 5 },
    ];
    server.seen.splice(0);
    expect(await copyMissing(to, from, items, forever)).toEqual({ copied: 2, bytes: large.length + 5, complete: true });
    expect({ parts: seen('UploadPartCopy'), whole: seen('CopyObject'), put: seen('PutObject'), got: seen('GetObject') }).toEqual({
      parts: 3,
      whole: 1,
      put: 0,
      got: 0,
    });
    expect(Buffer.concat(await Array.fromAsync(to.read('data/large'))).equals(large)).toBe(true);
    server.seen.splice(0);
    expect(await copyMissing(to, from, items, forever)).toEqual({ copied: 0, bytes: 0, complete: true });
    expect(server.seen.map(({ operation }) => operation)).toEqual(['ListObjectsV2']);
  });

  it('trust ETags as long as they are MD5s on both sides, and else bytes', async () => {
    const [from, to] = [open('namespace'), open('pool')];
    for (const key of ['data/x', 'data/y']) for (const side of [from, to]) await side.create(key, Buffer.from(key));
    // As of a bucket that is encrypted with a key of KMS: lakeFS was told an ETag that is the MD5 of nothing.
    const encrypted = ['data/x', 'data/y'].map((key) => ({ key, bytes: 6, etag: 'f'.repeat(32) }));
    server.seen.splice(0);
    expect(await copyMissing(to, from, encrypted, forever)).toMatchObject({ copied: 0, complete: true });
    expect(seen('GetObject')).toBeGreaterThanOrEqual(2);
    await to.delete('data/y');
    await to.create('data/y', Buffer.from('other!'));
    await expect(copyMissing(to, from, encrypted.slice(1), forever)).rejects.toThrow(
      expect.objectContaining({ code: 'SourceChanged', message: expect.stringContaining('other bytes') }),
    );
  });
});
