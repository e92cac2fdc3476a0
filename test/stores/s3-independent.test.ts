import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { s3Store } from '../../src/stores/s3.ts';
import { independentS3, startMinistack } from '../support/ministack.ts';
import { bytes, noise, readWhole, streamed, testStore } from './suite.ts';

const found = independentS3();

// Credentials of a server on this machine mean nothing; one that was named has its own.
const LOCAL = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'us-east-1' };

describe(`s3 store on a server that others wrote (${found.kind === 'none' ? found.why : found.kind})`, () => {
  if (found.kind === 'none') {
    it.skipIf(process.env['CI'] !== 'true')(`is not tested: ${found.why}`, () => {
      throw new Error(`${found.why}; CI installs it`);
    });
    return;
  }

  let endpoint = '';
  let stop = async (): Promise<void> => {};
  let client: S3Client;
  const run = Date.now().toString(36);
  let made = 0;

  beforeAll(async () => {
    if (found.kind === 'endpoint') {
      endpoint = found.url;
    } else {
      for (const [name, value] of Object.entries(LOCAL)) vi.stubEnv(name, value);
      const server = await startMinistack(found.path);
      endpoint = server.url;
      stop = server.stop;
    }
    client = new S3Client({ endpoint, forcePathStyle: true });
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await stop();
  });

  const freshBucket = async (): Promise<string> => {
    const bucket = `lifeboat-${run}-${made++}`;
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    return bucket;
  };

  testStore(async () => s3Store(await freshBucket(), 'p/q/', { endpoint }));

  it('reads versions under a delete marker', async () => {
    const bucket = await freshBucket();
    await client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }));
    const store = s3Store(bucket, '', { endpoint });
    const { versionId } = await store.create('a', bytes('a'));
    expect(versionId).toBeDefined();
    const large = await store.create('b', streamed(noise(9_000_000)));
    for (const key of ['a', 'b']) await store.delete(key);
    expect(await store.head('a')).toBeUndefined();
    expect((await readWhole(store, 'a', { versionId })).toString()).toBe('a');
    expect((await readWhole(store, 'b', { versionId: large.versionId })).equals(noise(9_000_000))).toBe(true);
  });
});
