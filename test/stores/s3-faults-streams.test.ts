import { describe, expect, it, vi } from 'vitest';
import type { Fault } from '../support/s3-fake/faults.ts';
import { failureOf, PART, useFaultyS3 } from './s3-faulty.ts';
import { bytes, codeOf, keysOf, noise, readWhole, streamed } from './suite.ts';

const { server, open, inject, count } = useFaultyS3();

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
    const stopped = expect(creating).rejects.toThrow('enough');
    await vi.waitFor(() => expect(count('UploadPart')).toBeGreaterThanOrEqual(2), 20_000);
    stop.abort(new Error('enough'));
    await stopped;
    expect(count('AbortMultipartUpload')).toBe(1);
  });

  it('tells the first failure when the abort fails as well', async () => {
    const store = open({ attempts: 1 });
    inject('UploadPart', { kind: 'error', status: 403, code: 'AccessDenied' });
    inject('AbortMultipartUpload', { kind: 'error', status: 500, code: 'InternalError' });
    expect((await failureOf(() => store.create('a', streamed(content)))).code).toBe('StoreDenied');
    for (const bucket of server().buckets.values()) bucket.uploads.clear();
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
      const ranges = server()
        .seen.filter(({ operation }) => operation === 'GetObject')
        .map(({ headers }) => headers.range);
      expect(ranges).toHaveLength(3);
      expect(ranges[0]).toBeUndefined();
      expect(ranges[2]).toMatch(/^bytes=\d+-/);
      expect(server().seen.at(-1)?.headers['if-match']).toMatch(/^"[0-9a-f]{32}"$/);
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
