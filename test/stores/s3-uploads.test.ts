import { CreateMultipartUploadCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { uploadsLeft } from '../../src/environment/uploads.ts';
import { countUnfinishedUploads } from '../../src/stores/s3-uploads.ts';
import { startS3Server } from '../support/s3-server.ts';

let s3: Awaited<ReturnType<typeof startS3Server>>;
const before = { ...process.env };

beforeAll(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: 'eu-central-1' });
  s3 = await startS3Server();
  s3.addBucket('acme', { versioned: true });
  const client = new S3Client({ endpoint: s3.endpoint, forcePathStyle: true });
  for (const Key of ['prod/catalog/a', 'prod/catalog/b', 'prod/lake/a', 'prod/.control/catalog/x'])
    await client.send(new CreateMultipartUploadCommand({ Bucket: 'acme', Key }));
  client.destroy();
});
afterAll(async () => {
  await s3.stop();
  process.env = before;
});

const soon = (): Date => new Date(Date.now() + 1000);

describe('uploads that were never ended', () => {
  it('are counted below a prefix, from an age on', async () => {
    const options = { endpoint: s3.endpoint };
    expect(await countUnfinishedUploads('acme', 'prod/catalog/', soon(), options)).toBe(2);
    expect(await countUnfinishedUploads('acme', 'prod/', soon(), options)).toBe(4);
    expect(await countUnfinishedUploads('acme', 'prod/', new Date(Date.now() - 60_000), options)).toBe(0);
    await expect(countUnfinishedUploads('nowhere', '', soon(), options)).rejects.toMatchObject({ code: 'NoSuchStore' });
  });

  it('of a source are those in its store and under control, once the rule should have removed them', async () => {
    const place = { url: 's3://acme/prod', endpoint: s3.endpoint };
    const environment = {
      name: 'e',
      root: '/',
      store: place,
      control: { ...place, url: 's3://acme/prod/.control' },
      sources: {},
      targets: {},
    };
    const days = (count: number): Date => new Date(Date.now() + count * 86_400_000);
    expect(await uploadsLeft(environment, 'catalog', days(0))).toBe(0);
    expect(await uploadsLeft(environment, 'catalog', days(4))).toBe(3);
    const folder = { url: 'file:///tmp/x' };
    expect(await uploadsLeft({ ...environment, store: folder, control: folder }, 'catalog', days(4))).toBe(0);
  });
});
