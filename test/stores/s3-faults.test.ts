import { describe, expect, it } from 'vitest';
import { s3Store } from '../../src/stores/s3.ts';
import type { Store } from '../../src/stores/store.ts';
import type { Fault } from '../support/s3-fake/faults.ts';
import { failureOf, PART, useFaultyS3 } from './s3-faulty.ts';
import { bytes, keysOf, noise, readWhole, streamed } from './suite.ts';

const { server, open, inject, count } = useFaultyS3();

const SLOW_DOWN: Fault = { kind: 'error', status: 503, code: 'SlowDown', message: 'Please reduce your request rate.' };
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
    const store = s3Store('no-such-bucket', '', { endpoint: server().endpoint });
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
