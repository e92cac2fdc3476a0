import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { isLifeboatError, type LifeboatError } from '../../src/errors.ts';
import { s3Store } from '../../src/stores/s3.ts';
import type { Store } from '../../src/stores/store.ts';
import type { Fault, FaultRule } from '../support/s3-fake/faults.ts';
import { type S3Server, startS3Server } from '../support/s3-server.ts';
import { bytes, codeOf, keysOf, noise, readWhole, streamed } from './suite.ts';

const PART = 5 * 1024 * 1024;

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

const open = (tuning: Parameters<typeof s3Store>[3] = {}): Store => {
  const bucket = `bucket-${made++}`;
  server.addBucket(bucket);
  return s3Store(bucket, 'p/', { endpoint: server.endpoint }, { partBytes: PART, attempts: 4, ...tuning });
};

const inject = (on: string, fault: Fault, more: Partial<FaultRule> = {}): void => server.faults.add({ on, fault, ...more });

const SLOW_DOWN: Fault = { kind: 'error', status: 503, code: 'SlowDown', message: 'Please reduce your request rate.' };
const count = (operation: string): number => server.seen.filter((seen) => seen.operation === operation).length;

const failureOf = async (work: () => Promise<unknown>): Promise<LifeboatError> => {
  try {
    await work();
  } catch (error) {
    if (isLifeboatError(error)) return error;
    throw error;
  }
  throw new Error('nothing failed');
};

describe('a small object', () => {
  const passing: Record<string, Fault> = {
    '500 InternalError': { kind: 'error', status: 500, code: 'InternalError' },
    '503 ServiceUnavailable': { kind: 'error', status: 503, code: 'ServiceUnavailable' },
    '400 RequestTimeout': { kind: 'error', status: 400, code: 'RequestTimeout' },
    'a connection that drops': { kind: 'drop' },
    '409 ConditionalRequestConflict': { kind: 'error', status: 409, code: 'ConditionalRequestConflict' },
    '400 BadDigest': { kind: 'error', status: 400, code: 'BadDigest' },
  };
  for (const [name, fault] of Object.entries(passing)) {
    it(`is stored after ${name}`, async () => {
      const store = open();
      inject('PutObject', fault, { times: 2 });
      expect(await store.create('a', bytes('a'))).toMatchObject({ created: true });
      expect((await readWhole(store, 'a')).toString()).toBe('a');
    });
  }

  it('is stored after being told to slow down', async () => {
    const store = open();
    inject('PutObject', SLOW_DOWN);
    expect(await store.create('a', bytes('a'))).toMatchObject({ created: true });
    expect(count('PutObject')).toBe(2);
  });

  const unknown: Record<string, Fault> = {
    'the connection dropped': { kind: 'drop', after: true },
    'no answer came': { kind: 'hang', after: true },
    'a 503 came': { kind: 'error', status: 503, code: 'ServiceUnavailable', after: true },
  };
  for (const [name, fault] of Object.entries(unknown)) {
    it(`was stored, but ${name}: not ours for sure, and there`, async () => {
      const store = open({ requestMs: 300 });
      inject('PutObject', fault);
      expect(await store.create('a', bytes('a'))).toMatchObject({ created: false });
      expect((await readWhole(store, 'a')).toString()).toBe('a');
    });

    it(`was stored, but ${name}, at every try`, async () => {
      const store = open({ requestMs: 300, attempts: 1 });
      inject('PutObject', fault);
      expect(await store.create('a', bytes('a'))).toMatchObject({ created: false });
    });
  }

  it('fails with StoreUnavailable when the store never answers, in bounded time', async () => {
    const store = open({ requestMs: 200, attempts: 2 });
    inject('PutObject', { kind: 'hang' }, { times: 2 });
    const error = await failureOf(() => store.create('a', bytes('a')));
    expect(error).toMatchObject({ code: 'StoreUnavailable', retryable: true });
    expect(error.message).toContain('s3:PutObject on s3://');
    expect(await keysOf(store)).toEqual([]);
  });

  it('fails with StoreUnavailable when 503 does not end', async () => {
    const store = open();
    inject('PutObject', { kind: 'error', status: 503, code: 'ServiceUnavailable' }, { times: 4 });
    expect((await failureOf(() => store.create('a', bytes('a')))).code).toBe('StoreUnavailable');
  });

  it('fails with StoreUnavailable when conflicts do not end', async () => {
    const store = open();
    inject('PutObject', { kind: 'error', status: 409, code: 'ConditionalRequestConflict' }, { times: 5 });
    expect((await failureOf(() => store.create('a', bytes('a')))).code).toBe('StoreUnavailable');
  });

  it('is compared by the caller when the answer has another checksum', async () => {
    const store = open();
    inject('PutObject', { kind: 'checksum' });
    expect(await store.create('a', bytes('a'))).toMatchObject({ created: false });
    expect((await readWhole(store, 'a')).toString()).toBe('a');
  });

  it('is not overwritten, and 412 is no error', async () => {
    const store = open();
    inject('PutObject', { kind: 'error', status: 412, code: 'PreconditionFailed' }, { times: 1, skip: 1 });
    await store.create('a', bytes('a'));
    expect(await store.create('a', bytes('b'))).toMatchObject({ created: false });
    expect((await readWhole(store, 'a')).toString()).toBe('a');
  });

  it('is stored when what was in its way is gone', async () => {
    const store = open();
    inject('PutObject', { kind: 'error', status: 412, code: 'PreconditionFailed' });
    expect(await store.create('a', bytes('a'))).toMatchObject({ created: true });
  });
});

describe('refusals', () => {
  it('403 fails at once and names action, bucket and key', async () => {
    const store = open();
    inject('PutObject', { kind: 'error', status: 403, code: 'AccessDenied' });
    const error = await failureOf(() => store.create('x/a', bytes('a')));
    expect(error).toMatchObject({ code: 'StoreDenied', retryable: false });
    expect(error.message).toMatch(/^s3:PutObject was denied on s3:\/\/bucket-\d+\/p\/x\/a: AccessDenied$/);
    expect(error.hint).toMatch(/^Allow s3:PutObject on arn:aws:s3:::bucket-\d+\/p\/x\/a\.$/);
    expect(count('PutObject')).toBe(1);
  });

  it('403 of a multipart upload names the permission, and aborts', async () => {
    const store = open();
    inject('UploadPart', { kind: 'error', status: 403, code: 'AccessDenied' });
    const error = await failureOf(() => store.create('a', streamed(noise(PART + 1))));
    expect(error).toMatchObject({ code: 'StoreDenied' });
    expect(error.hint).toContain('s3:PutObject');
    expect(count('AbortMultipartUpload')).toBe(1);
  });

  for (const [operation, work] of Object.entries<(store: Store) => Promise<unknown>>({
    GetObject: (store) => readWhole(store, 'a'),
    HeadObject: (store) => store.head('a'),
    ListObjectsV2: (store) => keysOf(store),
    DeleteObject: (store) => store.delete('a'),
    PutObject: (store) => store.replace('a', bytes('a'), null),
  }))
    it(`403 of ${operation} is StoreDenied`, async () => {
      const store = open();
      inject(operation, { kind: 'error', status: 403, code: 'AccessDenied' });
      const error = await failureOf(() => work(store));
      expect(error.code).toBe('StoreDenied');
      expect(error.message).toContain(`s3:${operation} was denied`);
    });

  it('501 on a checksum header names the option', async () => {
    const store = open();
    const message = 'A header you provided implies functionality that is not implemented: x-amz-checksum-crc32';
    inject('PutObject', { kind: 'error', status: 501, code: 'NotImplemented', message });
    const error = await failureOf(() => store.create('a', bytes('a')));
    expect(error.code).toBe('Unsupported');
    expect(error.hint).toContain('requestChecksumCalculation');
  });

  it('a bucket that is not there is NoSuchStore', async () => {
    const store = s3Store('no-such-bucket', '', { endpoint: server.endpoint });
    for (const work of [
      () => store.create('a', bytes('a')),
      () => readWhole(store, 'a'),
      () => keysOf(store),
      () => store.replace('a', bytes('a'), null),
    ])
      expect(await failureOf(work)).toMatchObject({ code: 'NoSuchStore', message: 'there is no bucket no-such-bucket' });
    expect(await failureOf(() => store.create('a', streamed(noise(9_000_000))))).toMatchObject({ code: 'NoSuchStore' });
    expect(await store.head('a')).toBeUndefined();
  });

  it('a full store is StoreFull, an archived object says so, another region, too', async () => {
    const store = open();
    inject('PutObject', { kind: 'error', status: 403, code: 'QuotaExceeded' });
    expect((await failureOf(() => store.create('a', bytes('a')))).code).toBe('StoreFull');
    inject('GetObject', { kind: 'error', status: 403, code: 'InvalidObjectState' });
    expect(await failureOf(() => readWhole(store, 'a'))).toMatchObject({
      code: 'Unsupported',
      message: expect.stringContaining('archived'),
    });
    inject('ListObjectsV2', { kind: 'error', status: 301, code: 'PermanentRedirect' });
    expect(await failureOf(() => keysOf(store))).toMatchObject({ code: 'ConfigInvalid', hint: expect.stringContaining('region') });
  });

  it('wrong credentials are told without telling them', async () => {
    const store = open();
    inject('PutObject', { kind: 'error', status: 403, code: 'SignatureDoesNotMatch', message: 'very-secret-free' });
    const error = await failureOf(() => store.create('a', bytes('a')));
    expect(error).toMatchObject({ code: 'StoreDenied', hint: expect.stringContaining('credentials') });
    const { inspect } = await import('node:util');
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/very-secret-(key|token)/);
  });

  it('a server that is not there is StoreUnavailable', async () => {
    const store = s3Store('bucket', '', { endpoint: 'http://127.0.0.1:1' }, { attempts: 2 });
    for (const work of [() => store.create('a', bytes('a')), () => readWhole(store, 'a'), () => keysOf(store), () => store.head('a')])
      expect((await failureOf(work)).code).toBe('StoreUnavailable');
  });
});

describe('a large object', () => {
  const content = noise(2 * PART + 1000);

  it('has one part sent again after a dropped connection, not the others', async () => {
    const store = open();
    inject('UploadPart', { kind: 'drop' }, { skip: 1 });
    expect(await store.create('a', streamed(content))).toMatchObject({ created: true });
    expect((await readWhole(store, 'a')).equals(content)).toBe(true);
    expect(count('UploadPart')).toBe(4);
    expect(count('CreateMultipartUpload')).toBe(1);
  });

  const passing: Record<string, Fault> = {
    '503': { kind: 'error', status: 503, code: 'ServiceUnavailable' },
    'an answer that is lost': { kind: 'drop', after: true },
    'damage on the way': { kind: 'error', status: 400, code: 'BadDigest' },
    'another checksum in the answer': { kind: 'checksum' },
    'no answer': { kind: 'hang' },
  };
  for (const [name, fault] of Object.entries(passing)) {
    it(`is stored after ${name}, part by part`, async () => {
      const store = open({ requestMs: 1000 });
      inject('UploadPart', fault, { times: 2 });
      expect(await store.create('a', streamed(content))).toMatchObject({ created: true });
      expect((await readWhole(store, 'a')).equals(content)).toBe(true);
    });
  }

  it('is aborted when a part cannot be sent', async () => {
    const store = open({ partsInFlight: 1 });
    inject('UploadPart', { kind: 'error', status: 503, code: 'ServiceUnavailable' }, { skip: 1, times: 4 });
    expect((await failureOf(() => store.create('a', streamed(content)))).code).toBe('StoreUnavailable');
    expect(count('AbortMultipartUpload')).toBe(1);
    expect(await keysOf(store)).toEqual([]);
  });

  it('begins anew after 409 at the end, and the first upload is aborted', async () => {
    const store = open();
    inject('CompleteMultipartUpload', { kind: 'error', status: 409, code: 'ConditionalRequestConflict' });
    expect(await store.create('a', streamed(content))).toMatchObject({ created: true });
    expect(count('CreateMultipartUpload')).toBe(2);
    expect(count('AbortMultipartUpload')).toBe(1);
  });

  it('is left alone when another was faster', async () => {
    const store = open();
    const body = {
      bytes: content.length,
      async *open(start: number, end: number) {
        if (start === 0) await store.create('a', bytes('faster'));
        yield content.subarray(start, end);
      },
    };
    expect(await store.create('a', body)).toMatchObject({ created: false });
    expect((await readWhole(store, 'a')).toString()).toBe('faster');
    expect(count('AbortMultipartUpload')).toBe(1);
  });

  it('is not sent at all when one is there', async () => {
    const store = open();
    await store.create('a', bytes('there'));
    expect(await store.create('a', streamed(content))).toMatchObject({ created: false });
    expect(count('CreateMultipartUpload')).toBe(0);
  });

  for (const fault of [
    { kind: 'drop', after: true },
    { kind: 'hang', after: true },
  ] as const)
    it(`was completed, but the answer was lost (${fault.kind}): there, and perhaps ours`, async () => {
      const store = open({ requestMs: 500 });
      inject('CompleteMultipartUpload', fault);
      expect(await store.create('a', streamed(content))).toMatchObject({ created: false });
      expect((await readWhole(store, 'a')).equals(content)).toBe(true);
    });

  it('stops when it is told to, and aborts', async () => {
    const store = open();
    const stop = new AbortController();
    inject('UploadPart', { kind: 'hang' }, { skip: 1 });
    const creating = store.create('a', streamed(content), stop.signal);
    setTimeout(() => stop.abort(new Error('enough')), 300);
    await expect(creating).rejects.toThrow('enough');
    expect(count('AbortMultipartUpload')).toBe(1);
  });

  it('tells the first failure when the abort fails as well', async () => {
    const store = open({ attempts: 1 });
    inject('UploadPart', { kind: 'error', status: 403, code: 'AccessDenied' });
    inject('AbortMultipartUpload', { kind: 'error', status: 500, code: 'InternalError' });
    expect((await failureOf(() => store.create('a', streamed(content)))).code).toBe('StoreDenied');
    for (const bucket of server.buckets.values()) bucket.uploads.clear();
  });
});

describe('reading', () => {
  const content = noise(3_000_000);

  for (const [name, fault] of Object.entries<Fault>({
    'is cut': { kind: 'cut', bytes: 700_001 },
    stalls: { kind: 'stall', bytes: 700_001 },
  }))
    it(`goes on where a stream ${name}`, async () => {
      const store = open({ idleMs: 300 });
      await store.create('a', content);
      inject('GetObject', fault, { times: 2 });
      expect((await readWhole(store, 'a')).equals(content)).toBe(true);
      const ranges = server.seen.filter(({ operation }) => operation === 'GetObject').map(({ headers }) => headers.range);
      expect(ranges).toHaveLength(3);
      expect(ranges[0]).toBeUndefined();
      expect(ranges[2]).toMatch(/^bytes=\d+-/);
      expect(server.seen.at(-1)?.headers['if-match']).toMatch(/^"[0-9a-f]{32}"$/);
    });

  it('of a range goes on within the range', async () => {
    const store = open();
    await store.create('a', content);
    inject('GetObject', { kind: 'cut', bytes: 100_000 });
    const read = await readWhole(store, 'a', { range: { start: 1000, end: 500_000 } });
    expect(read.equals(content.subarray(1000, 500_000))).toBe(true);
  });

  it('gives up when nothing comes any more', async () => {
    const store = open();
    await store.create('a', content);
    inject('GetObject', { kind: 'cut', bytes: 0 }, { times: 5 });
    expect((await failureOf(() => readWhole(store, 'a'))).code).toBe('StoreUnavailable');
  });

  it('survives 503 and dropped connections', async () => {
    const store = open();
    await store.create('a', content);
    inject('GetObject', { kind: 'error', status: 503, code: 'ServiceUnavailable' });
    inject('GetObject', { kind: 'drop' });
    expect((await readWhole(store, 'a')).equals(content)).toBe(true);
  });

  it('fails when the object was replaced meanwhile', async () => {
    const store = open();
    const etag = await store.replace('a', bytes('x'.repeat(200_000)), null);
    inject('GetObject', { kind: 'cut', bytes: 100_000 });
    const reading = async (): Promise<void> => {
      for await (const _ of store.read('a')) {
        if (count('PutObject') === 1) await store.replace('a', bytes('y'.repeat(200_000)), etag ?? '');
      }
    };
    expect((await failureOf(reading)).code).toBe('StoreConflict');
  });

  it('fails when a bit is another than it was stored with', async () => {
    const store = open();
    await store.create('a', content);
    inject('GetObject', { kind: 'flip', at: 1_234_567 });
    expect((await failureOf(() => readWhole(store, 'a'))).code).toBe('SegmentMismatch');
  });

  it('fails when the object is shorter than it was', async () => {
    const store = open();
    await store.create('a', content);
    inject('GetObject', { kind: 'short', bytes: 1_000_000 });
    expect((await failureOf(() => readWhole(store, 'a'))).code).toBe('SegmentMismatch');
  });

  it('lists through 503 and dropped connections', async () => {
    const store = open();
    await store.create('a', bytes('a'));
    inject('ListObjectsV2', { kind: 'error', status: 503, code: 'ServiceUnavailable' });
    inject('ListObjectsV2', { kind: 'drop' });
    expect(await keysOf(store)).toEqual(['a']);
  });
});

describe('replacing', () => {
  it('knows its own write whose answer was lost', async () => {
    const store = open();
    inject('PutObject', { kind: 'drop', after: true });
    const etag = await store.replace('lease', bytes('token 1'), null);
    expect(etag).toBeDefined();
    inject('PutObject', { kind: 'drop', after: true });
    const second = await store.replace('lease', bytes('token 2'), etag ?? '');
    expect(second).toBe((await store.head('lease'))?.etag);
    expect(second).not.toBe(etag);
  });

  it('does not take the write of another for its own', async () => {
    const store = open();
    await store.create('lease', bytes('token 1'));
    inject('PutObject', { kind: 'drop' });
    expect(await store.replace('lease', bytes('token 2'), null)).toBeUndefined();
    // The same bytes, but sent once: then they are another's.
    expect(await store.replace('lease', bytes('token 1'), null)).toBeUndefined();
  });

  it('goes on after 409', async () => {
    const store = open();
    inject('PutObject', { kind: 'error', status: 409, code: 'ConditionalRequestConflict' });
    expect(await store.replace('lease', bytes('1'), null)).toBeDefined();
  });

  it('fails with StoreUnavailable when nobody answers', async () => {
    const store = open({ attempts: 2 });
    inject('PutObject', { kind: 'drop' }, { times: 2 });
    expect(await codeOf(() => store.replace('lease', bytes('1'), null))).toBe('StoreUnavailable');
  });
});
