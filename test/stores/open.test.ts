import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { isLifeboatError } from '../../src/errors.ts';
import { openStore } from '../../src/stores/open.ts';

describe('openStore', () => {
  it('opens folders', async () => {
    expect(await openStore('file:///tmp/a/b/')).toMatchObject({ url: 'file:///tmp/a/b', bucket: 'file:///tmp/a/b', prefix: '' });
    const folder = await mkdtemp(join(tmpdir(), 'lifeboat with space '));
    try {
      const store = await openStore(pathToFileURL(folder).href);
      await store.create('a', Buffer.from('a'));
      expect(await (await openStore(store.url)).head('a')).toMatchObject({ bytes: 1 });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('opens buckets', async () => {
    const region = { region: 'eu-central-1' };
    expect(await openStore('s3://my-bucket', region)).toMatchObject({ url: 's3://my-bucket', bucket: 'my-bucket', prefix: '' });
    expect(await openStore('s3://my-bucket/', region)).toMatchObject({ url: 's3://my-bucket', prefix: '' });
    expect(await openStore('s3://my.bucket/a/b/', region)).toMatchObject({ url: 's3://my.bucket/a/b', prefix: 'a/b/' });
  });

  it.each([
    'not a url',
    'file://host/path',
    'file:///',
    'https://example.com/bucket',
    's3:///prefix',
    's3://UPPER/x',
    's3://b/x',
    's3://my-bucket/a//b',
    's3://my-bucket/%C3%A4',
    's3://my-bucket/%ff',
    's3://my-bucket/a?versionId=1',
    's3://my-bucket/a#b',
    `s3://my-bucket/${'x'.repeat(121)}`,
  ])('refuses %s', async (url) => {
    await expect(openStore(url)).rejects.toMatchObject({ code: 'ConfigInvalid' });
  });

  it('refuses credentials in a URL without repeating them', async () => {
    const error = await openStore('s3://key:hush@my-bucket/x').catch((thrown: unknown) => thrown);
    expect(isLifeboatError(error, 'ConfigInvalid')).toBe(true);
    expect(String(error)).not.toContain('hush');
  });

  it('loads no AWS SDK for a folder', async () => {
    const script = `
      const { openStore } = await import(${JSON.stringify(new URL('../../src/stores/open.ts', import.meta.url).href)});
      const { registerHooks } = await import('node:module');
      registerHooks({ resolve(name, context, next) { console.log(name); return next(name, context); } });
      await openStore('file:///tmp/nowhere');
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    expect(stdout).toContain('./file.ts');
    expect(stdout).not.toContain('@aws-sdk');
  });
});
