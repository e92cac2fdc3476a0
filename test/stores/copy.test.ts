import { createHash, createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignatureV4 } from '@smithy/signature-v4';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { objectsBelow } from '../../src/backup/pool.ts';
import { fileStore } from '../../src/stores/file.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import { s3Store } from '../../src/stores/s3.ts';
import type { Store } from '../../src/stores/store.ts';
import { type S3Server, startS3Server } from '../support/s3-server.ts';

/** Node's own, in the form that the SDK's signer takes. */
class Sha256 {
  readonly #secret: Buffer | undefined;
  readonly #chunks: Buffer[] = [];
  constructor(secret?: unknown) {
    this.#secret = secret === undefined ? undefined : bytesOf(secret);
  }
  update(data: unknown): void {
    this.#chunks.push(bytesOf(data));
  }
  async digest(): Promise<Uint8Array> {
    const data = Buffer.concat(this.#chunks);
    return this.#secret === undefined
      ? createHash('sha256').update(data).digest()
      : createHmac('sha256', this.#secret).update(data).digest();
  }
  reset(): void {
    this.#chunks.length = 0;
  }
}
const bytesOf = (data: unknown): Buffer =>
  typeof data === 'string' ? Buffer.from(data) : data instanceof Uint8Array ? Buffer.from(data) : Buffer.alloc(0);
const amzDate = (text: string): Date => new Date(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));

const never = new AbortController().signal;
const PART = 5 * 1024 * 1024;

let server: S3Server;
let folder = '';
beforeEach(async () => {
  process.env['AWS_ACCESS_KEY_ID'] ??= 'key';
  process.env['AWS_SECRET_ACCESS_KEY'] ??= 'secret';
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-copy-'));
  server = await startS3Server();
  server.addBucket('from');
  server.addBucket('to');
});
afterEach(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const s3 = (bucket: string, prefix = '', tuning = {}): Store =>
  s3Store(bucket, prefix, { endpoint: server.endpoint, region: 'us-east-1' }, tuning);

const textOf = async (store: Store, key: string): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(key)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
};

const copy = (to: Store, from: Store, key: string, bytes: number): Promise<boolean> =>
  objectsBelow(to, 'pool/').copyFrom(key, { objects: objectsBelow(from, ''), key, bytes }, never);

describe('a copy between two buckets of one server', () => {
  it('is made by the server, whatever is in the key', async () => {
    const from = s3('from', 'deep/');
    const key = 'a b/%20+&=.txt';
    await from.create(key, Buffer.from('hello'));
    server.seen.length = 0;
    expect(await copy(s3('to'), from, key, 5)).toBe(true);
    expect(server.seen.map(({ operation }) => operation)).toEqual(['CopyObject']);
    expect(await textOf(s3('to'), `pool/${key}`)).toBe('hello');
  });

  it('is signed as the SDK would sign it', async () => {
    await s3('from').create("it's (a) *key*!.txt", Buffer.from('hello'));
    server.seen.length = 0;
    expect(await copy(s3('to'), s3('from'), "it's (a) *key*!.txt", 5)).toBe(true);
    const [request] = server.seen;
    if (request === undefined) throw new Error('nothing arrived');
    expect(server.seen).toHaveLength(1);
    const { authorization = '', ...headers } = request.headers;
    const names = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(';') ?? [];
    const signer = new SignatureV4({
      service: 's3',
      region: 'us-east-1',
      credentials: { accessKeyId: process.env['AWS_ACCESS_KEY_ID'] ?? '', secretAccessKey: process.env['AWS_SECRET_ACCESS_KEY'] ?? '' },
      sha256: Sha256,
      uriEscapePath: false,
      applyChecksum: false,
    });
    const path = `/to/pool/${encodeURIComponent("it's (a) *key*!.txt").replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)}`;
    const expected = await signer.sign(
      {
        method: 'PUT',
        protocol: 'http:',
        hostname: '127.0.0.1',
        path,
        headers: Object.fromEntries(names.map((name) => [name, String(headers[name])])),
      },
      { signingDate: amzDate(String(headers['x-amz-date'])) },
    );
    expect(names.length).toBeGreaterThan(5);
    expect(authorization).toBe(expected.headers['authorization']);
  });

  it('is asked for again when S3 answers 200 and says in the body that it failed', async () => {
    server.faults.add({ on: 'CopyObject', times: 1, fault: { kind: 'error', status: 200, code: 'InternalError' } });
    const from = s3('from');
    await from.create('k', Buffer.from('bytes'));
    expect(await copy(s3('to'), from, 'k', 5)).toBe(true);
    expect(server.seen.filter(({ operation }) => operation === 'CopyObject')).toHaveLength(2);
    expect(await textOf(s3('to'), 'pool/k')).toBe('bytes');
  });

  it('goes in parts where a policy demands conditions and S3 does not take them of a copy', async () => {
    server.faults.add({ on: 'CopyObject', times: 2, fault: { kind: 'error', status: 501, code: 'NotImplemented' } });
    const [from, to] = [s3('from'), s3('to')];
    for (const [key, text] of [
      ['some', 'hello'],
      ['none', ''],
    ] as const)
      await from.create(key, Buffer.from(text));
    server.seen.length = 0;
    expect(await copy(to, from, 'some', 5)).toBe(true);
    expect(await copy(to, from, 'none', 0)).toBe(true);
    expect(await copy(to, from, 'some', 5)).toBe(false);
    expect([await textOf(to, 'pool/some'), await textOf(to, 'pool/none')]).toEqual(['hello', '']);
    // Without the SDK, with it, and then never again.
    expect(server.seen.filter(({ operation }) => operation === 'CopyObject')).toHaveLength(2);
    expect(
      server.seen.filter(({ operation, headers }) => operation === 'CompleteMultipartUpload' && headers['if-none-match'] === '*'),
    ).toHaveLength(1);
    expect(server.faults.pending()).toEqual([]);
  });

  it('leaves what is there', async () => {
    await s3('from').create('k', Buffer.from('new'));
    await s3('to').create('pool/k', Buffer.from('old'));
    expect(await copy(s3('to'), s3('from'), 'k', 3)).toBe(false);
    expect(await textOf(s3('to'), 'pool/k')).toBe('old');
  });

  it('says when there is nothing to copy', async () => {
    await expect(copy(s3('to'), s3('from'), 'k', 3)).rejects.toThrow(expect.objectContaining({ code: 'NoSuchObject' }));
  });

  it('of a large object goes in parts, and an upload that fails is given up', async () => {
    const bytes = Buffer.alloc(2 * PART + 7, 'x');
    await s3('from').create('large', bytes);
    const to = s3('to', '', { copyBytes: PART, copyPartBytes: PART, attempts: 1 });
    server.seen.length = 0;
    expect(await copy(to, s3('from'), 'large', bytes.length)).toBe(true);
    expect(server.seen.filter(({ operation }) => operation === 'UploadPartCopy')).toHaveLength(3);
    expect(server.seen.some(({ operation }) => operation === 'GetObject')).toBe(false);
    expect((await to.head('pool/large'))?.bytes).toBe(bytes.length);
    await s3('from').delete('large');
    await expect(copy(to, s3('from'), 'large-2', bytes.length)).rejects.toThrow();
    expect(server.seen.some(({ operation }) => operation === 'AbortMultipartUpload')).toBe(true);
  });
});

describe('a copy between stores that do not know each other', () => {
  it('is streamed, and checked by size', async () => {
    const from = memoryStore();
    await from.create('k', Buffer.from('hello'));
    for (const to of [fileStore(folder), s3('to'), memoryStore({ name: 'other' })]) {
      expect(await copy(to, from, 'k', 5)).toBe(true);
      expect(await copy(to, from, 'k', 5)).toBe(false);
      expect(await textOf(to, 'pool/k')).toBe('hello');
      await expect(copy(to, from, 'gone', 5)).rejects.toThrow(expect.objectContaining({ code: 'NoSuchObject' }));
    }
    await expect(copy(memoryStore(), from, 'k', 6)).rejects.toThrow(expect.objectContaining({ code: 'SourceChanged' }));
  });
});
