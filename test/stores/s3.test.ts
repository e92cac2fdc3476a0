import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { s3Store } from '../../src/stores/s3.ts';
import { type S3Server, startS3Server } from '../support/s3-server.ts';
import { bytes, codeOf, keysOf, noise, readWhole, streamed, testStore } from './suite.ts';

let server: S3Server;
let made = 0;

beforeAll(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  server = await startS3Server();
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await server.stop();
});

const PART = 5 * 1024 * 1024;

const freshBucket = (options?: Parameters<S3Server['addBucket']>[1]): string => {
  const name = `bucket-${made++}`;
  server.addBucket(name, options);
  return name;
};

const open = (bucket: string, prefix = '', options: Parameters<typeof s3Store>[2] = {}) =>
  s3Store(bucket, prefix, { endpoint: server.endpoint, ...options }, { partBytes: PART });

describe('s3 store', () => {
  describe('on a bucket', () => testStore(async () => open(freshBucket())));

  describe('below a prefix', () => {
    testStore(async () => {
      const bucket = freshBucket();
      await open(bucket, 'other/').create('a/b', bytes('not ours'));
      await open(bucket).create('ours-not/b', bytes('not ours'));
      return open(bucket, 'ours/');
    });
  });

  describe('on a bucket with versions', () => testStore(async () => open(freshBucket({ versioned: true }))));

  describe('without checksums', () => testStore(async () => open(freshBucket(), '', { requestChecksumCalculation: 'WHEN_REQUIRED' })));

  it('names its objects for a state machine', () => {
    expect(open('b', 'p/q/')).toMatchObject({ url: 's3://b/p/q', bucket: 'b', prefix: 'p/q/' });
    expect(open('b')).toMatchObject({ url: 's3://b', bucket: 'b', prefix: '' });
  });

  it('sends checksums, or leaves them out', async () => {
    const bucket = freshBucket();
    const sent = (): string[] => {
      const names = server.seen.filter((seen) => seen.bucket === bucket).flatMap(({ headers }) => Object.keys(headers));
      return names.filter((name) => /^x-amz-(sdk-)?checksum/.test(name));
    };
    const weak = open(bucket, '', { requestChecksumCalculation: 'WHEN_REQUIRED' });
    await weak.create('small', bytes('x'));
    await weak.create('large', streamed(noise(PART + 1)));
    await weak.replace('lease', bytes('x'), null);
    await readWhole(weak, 'large');
    expect(sent()).toEqual([]);
    await open(bucket).create('small-too', bytes('x'));
    expect(sent()).toContain('x-amz-checksum-crc32');
  });

  it('lists page by page, and past what is no key of ours', async () => {
    const bucket = freshBucket();
    const store = open(bucket, 'p/');
    const keys = Array.from({ length: 25 }, (_, n) => `k/${String(n).padStart(3, '0')}`);
    for (const key of keys) await store.create(key, bytes('x'));
    const raw = server.buckets.get(bucket);
    const marker = raw?.objects.get('p/k/000');
    if (raw === undefined || marker === undefined) throw new Error('not stored');
    for (const foreign of ['p/', 'p/k/', 'p/k/003/', 'p/k/ä', 'p/k//x', 'p/k/\u0001']) raw.objects.set(foreign, marker);
    server.pageKeys = 4;
    try {
      expect(await keysOf(store)).toEqual(keys);
      expect(await keysOf(store, 'k/00', 'k/004')).toEqual(keys.slice(5, 10));
      server.faults.add({ on: 'ListObjectsV2', skip: 1, times: 3, fault: { kind: 'repeat' } });
      expect(await keysOf(store)).toEqual(keys);
      expect(server.faults.pending()).toEqual([]);
    } finally {
      server.pageKeys = 1000;
      server.faults.clear();
    }
  });

  describe('versions', () => {
    it('are told, and read although a delete marker lies on them', async () => {
      const store = open(freshBucket({ versioned: true }));
      const { versionId } = await store.create('manifest.json', bytes('good'));
      expect(versionId).toMatch(/^[0-9a-f]{32}$/);
      expect(await store.create('manifest.json', bytes('again'))).toEqual({ created: false, versionId });
      expect((await store.head('manifest.json'))?.versionId).toBe(versionId);
      await store.delete('manifest.json');
      expect(await store.head('manifest.json')).toBeUndefined();
      expect((await readWhole(store, 'manifest.json', { versionId })).toString()).toBe('good');
      expect((await readWhole(store, 'manifest.json', { versionId, range: { start: 1, end: 3 } })).toString()).toBe('oo');
      expect(await store.head('manifest.json', { versionId })).toMatchObject({ bytes: 4, versionId });
      expect(await codeOf(() => readWhole(store, 'manifest.json', { versionId: 'f'.repeat(32) }))).toBe('NoSuchObject');
      expect(await store.head('manifest.json', { versionId: 'f'.repeat(32) })).toBeUndefined();
    });

    it('of a large object are told as well', async () => {
      const store = open(freshBucket({ versioned: true }));
      const { versionId } = await store.create('segment', streamed(noise(PART + 1)));
      expect(versionId).toMatch(/^[0-9a-f]{32}$/);
      expect(await store.create('segment', streamed(noise(PART + 1)))).toEqual({ created: false, versionId });
    });
  });

  describe('Object Lock', () => {
    it('is met with checksums, also where they are otherwise left out', async () => {
      const lock = { mode: 'COMPLIANCE', days: 1 } as const;
      const bucket = freshBucket({ lock });
      const bare = open(bucket, '', { requestChecksumCalculation: 'WHEN_REQUIRED' });
      expect(await codeOf(() => bare.create('a', bytes('a')))).toBe('ConfigInvalid');
      const store = open(bucket, '', { requestChecksumCalculation: 'WHEN_REQUIRED', objectLock: lock });
      const { versionId } = await store.create('a', bytes('a'));
      await store.delete('a');
      expect((await readWhole(store, 'a', { versionId })).toString()).toBe('a');
    });
  });

  it('streams no more than its buffers hold', async () => {
    const bucket = freshBucket();
    const store = s3Store(bucket, '', { endpoint: server.endpoint }, { partBytes: PART, partsInFlight: 2 });
    let open = 0;
    let most = 0;
    const content = noise(PART);
    server.faults.add({ on: 'UploadPart', times: 8, fault: { kind: 'slow', ms: 30 } });
    const body = {
      bytes: 8 * PART,
      async *open(start: number, end: number) {
        open += 1;
        most = Math.max(most, open);
        yield content.subarray(0, end - start);
        open -= 1;
      },
    };
    await store.create('large', body);
    // What is opened at once is what buffers exist for: the ninth part waits until one is free.
    expect(most).toBeLessThanOrEqual(2);
    expect(server.seen.filter((seen) => seen.bucket === bucket && seen.operation === 'UploadPart')).toHaveLength(8);
    server.faults.clear();
  });

  it('refuses an object of more parts than S3 takes', async () => {
    const store = open(freshBucket());
    const body = { bytes: PART * 10_000 + 1, open: () => streamed(Buffer.alloc(0)).open(0, 0) };
    expect(await codeOf(() => store.create('huge', body))).toBe('SegmentTooLarge');
  });
});
