import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addressFromUrl, LakefsAddressSchema, redact, scratchAddress } from '../../../src/sources/lakefs/address.ts';
import { apiOf, findLogin, parseConfig } from '../../../src/sources/lakefs/rest/login.ts';

let home = '';
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'lifeboat-lakectl-'));
  writeFileSync(
    join(home, '.lakectl.yaml'),
    'credentials:\n  access_key_id: FILEKEY # mine\n  secret_access_key: "file#secret"\nserver:\n  endpoint_url: http://file.example:8000/api/v1\n',
  );
});
afterAll(() => rmSync(home, { recursive: true }));

const services = { secret: async (reference: string) => `<${reference}>` };
const address = (changes = {}) => LakefsAddressSchema.parse({ repository: 'sample', ...changes });

describe('login', () => {
  it('takes what the address says first, then LAKECTL_*, then ~/.lakectl.yaml', async () => {
    const given = address({ endpoint: 'https://given.example', accessKeyId: 'GIVEN', secretAccessKey: 'env:X' });
    const env = { HOME: home, LAKECTL_SERVER_ENDPOINT_URL: 'http://env.example', LAKECTL_CREDENTIALS_ACCESS_KEY_ID: 'ENVKEY' };
    expect(await findLogin(given, services, env)).toEqual({
      api: 'https://given.example/api/v1',
      accessKeyId: 'GIVEN',
      secretAccessKey: '<env:X>',
    });
    expect(await findLogin(address(), services, env)).toEqual({
      api: 'http://env.example/api/v1',
      accessKeyId: 'ENVKEY',
      secretAccessKey: 'file#secret',
    });
    expect(await findLogin(address(), services, { HOME: home })).toMatchObject({
      api: 'http://file.example:8000/api/v1',
      accessKeyId: 'FILEKEY',
    });
  });

  it('takes one secret with both keys, and never says what is in it', async () => {
    const secret = { secret: async () => '{"access_key_id":"A","secret_access_key":"S"}' };
    const given = address({ endpoint: 'https://x.example', credentials: 'secretsmanager:arn' });
    expect(await findLogin(given, secret, {})).toMatchObject({ accessKeyId: 'A', secretAccessKey: 'S' });
    const wrong = findLogin(given, { secret: async () => '{"password":"hunter2"}' }, {});
    await expect(wrong).rejects.toThrow(
      expect.objectContaining({ code: 'SecretMissing', message: expect.not.stringContaining('hunter2') }),
    );
  });

  it('says what is missing', async () => {
    await expect(findLogin(address(), services, { HOME: '/nonexistent' })).rejects.toThrow(
      expect.objectContaining({ code: 'ConfigInvalid' }),
    );
    await expect(findLogin(address({ endpoint: 'https://x.example' }), services, { HOME: '/nonexistent' })).rejects.toThrow(
      expect.objectContaining({ code: 'SecretMissing' }),
    );
    await expect(findLogin(address(), services, { LAKECTL_CONFIG_FILE: '/nonexistent' })).rejects.toThrow(
      expect.objectContaining({ code: 'ConfigInvalid' }),
    );
  });

  it('takes an endpoint with and without /api/v1 and slashes', () => {
    for (const endpoint of ['http://h:8000', 'http://h:8000/', 'http://h:8000/api/v1', 'http://h:8000/api/v1/', 'h:8000'])
      expect(apiOf(endpoint)).toBe('http://h:8000/api/v1');
  });

  it('reads what lakectl writes', () => {
    expect(parseConfig("a: 1\nb:\n  c: 'x y'\n  d:\n    e: z\nf: g\n")).toEqual({ a: '1', 'b.c': 'x y', 'b.d.e': 'z', f: 'g' });
  });
});

describe('the URL', () => {
  it('names server, repository and namespace; its secret is never shown', () => {
    const found = addressFromUrl(
      new URL('lakefs+https://AKIA:s%2Fcret@lake.example:8000/sample?namespace=s3://bucket/p&uncommitted=commit'),
    );
    expect(found).toMatchObject({
      endpoint: 'https://lake.example:8000',
      repository: 'sample',
      accessKeyId: 'AKIA',
      inlineSecretAccessKey: 's/cret',
      namespace: 's3://bucket/p',
    });
    expect(redact(found)).toBe('lakefs+https://lake.example:8000/sample in s3://bucket/p');
  });

  it.each([
    'lakefs+https://h/',
    'lakefs+https://h/a/b',
    'lakefs+https://h/UPPER',
    'lakefs+https://h/sample?unknown=1',
    'lakefs+https://h/sample?namespace=ftp://x',
  ])('%s is refused', (url) => {
    expect(() => addressFromUrl(new URL(url))).toThrow(expect.objectContaining({ code: 'Usage' }));
  });

  it('of a scratch system has a namespace of its own below', () => {
    expect(scratchAddress(address({ namespace: 's3://b/drills/' }), 'lifeboat-drill-x')).toMatchObject({
      repository: 'lifeboat-drill-x',
      namespace: 's3://b/drills/lifeboat-drill-x',
    });
  });
});
