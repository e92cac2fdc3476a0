import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openSecrets } from '../../src/environment/secrets.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-secrets-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('secrets', () => {
  it('come from the environment, a file, and Secrets Manager; each is known for redaction afterwards', async () => {
    await writeFile(join(folder, 'password'), 'from-file\n');
    const asked: string[] = [];
    const secrets = openSecrets({
      env: { PGPASSWORD: 'from-env' },
      secretsManager: async (arn) => {
        asked.push(arn);
        return 'from-manager';
      },
    });
    const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:x-AbCdEf';
    expect(await secrets.resolve('env:PGPASSWORD')).toBe('from-env');
    expect(await secrets.resolve(`file:${join(folder, 'password')}`)).toBe('from-file');
    expect(await Promise.all([secrets.resolve(`secretsmanager:${arn}`), secrets.resolve(`secretsmanager:${arn}`)])).toEqual([
      'from-manager',
      'from-manager',
    ]);
    expect(asked).toEqual([arn]);
    expect([...secrets.known()].sort()).toEqual(['from-env', 'from-file', 'from-manager']);
  });

  it('are looked up again after a failure', async () => {
    const env: Record<string, string> = {};
    const { resolve } = openSecrets({ env });
    await expect(resolve('env:LATE')).rejects.toMatchObject({ code: 'SecretMissing', message: 'environment variable LATE is not set' });
    env['LATE'] = 'here';
    expect(await resolve('env:LATE')).toBe('here');
  });

  it('are looked up again after five minutes, and at once when they are no longer good', async () => {
    const values = ['first', 'second', 'third'];
    let [asked, now] = [0, 0];
    const { resolve } = openSecrets({ env: {}, secretsManager: async () => values[asked++] ?? '', now: () => now });
    const reference = 'secretsmanager:arn:aws:secretsmanager:eu-central-1:123456789012:secret:x-AbCdEf';
    expect([await resolve(reference), await resolve(reference)]).toEqual(['first', 'first']);
    expect(await resolve(reference, { fresh: true })).toBe('second');
    now = 299_999;
    expect(await resolve(reference)).toBe('second');
    now = 300_000;
    expect(await resolve(reference)).toBe('third');
  });

  it('may be one field of a secret that is JSON, as RDS writes them', async () => {
    const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:x-AbCdEf';
    const asked: string[] = [];
    const secretsManager = async (from: string): Promise<string> => {
      asked.push(from);
      return '{"username": "lifeboat", "password": "p#w", "port": 5432}';
    };
    const { resolve, known } = openSecrets({ env: {}, secretsManager });
    expect(await resolve(`secretsmanager:${arn}#password`)).toBe('p#w');
    expect(asked).toEqual([arn]);
    for (const field of ['port', 'nothing', ''])
      await expect(resolve(`secretsmanager:${arn}#${field}`), field).rejects.toMatchObject({
        code: 'SecretMissing',
        message: expect.not.stringContaining('lifeboat"'),
      });
    expect(known()).toEqual(['p#w']);
    const text = openSecrets({ env: {}, secretsManager: async () => 'hunter2' });
    await expect(text.resolve(`secretsmanager:${arn}#password`)).rejects.toMatchObject({ message: expect.not.stringContaining('hunter2') });
  });

  it('fail by the name of what is missing, and never repeat what is no reference', async () => {
    const { resolve } = openSecrets({ env: { EMPTY: '' } });
    await writeFile(join(folder, 'empty'), '\n');
    await expect(resolve('env:EMPTY')).rejects.toMatchObject({ code: 'SecretMissing' });
    await expect(resolve(`file:${folder}/nowhere`)).rejects.toMatchObject({
      code: 'SecretMissing',
      message: expect.stringContaining('nowhere'),
    });
    await expect(resolve(`file:${folder}/empty`)).rejects.toMatchObject({ code: 'SecretMissing' });
    await expect(resolve('hunter2')).rejects.toMatchObject({ code: 'SecretMissing', message: expect.not.stringContaining('hunter2') });
  });
});

describe('Secrets Manager', () => {
  const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:x-AbCdEf';
  const asked: { readonly region: string; readonly secret: string }[] = [];
  let stop: (() => void) | undefined;

  /** Answers as Secrets Manager does, and notes the region that a request was signed for. */
  const answering = async (status: number, body: object): Promise<void> => {
    const server = createServer(async (request, response) => {
      const { SecretId } = JSON.parse(Buffer.concat(await Array.fromAsync(request)).toString('utf8'));
      asked.push({ region: /Credential=[^/]+\/\d+\/([^/]+)/.exec(request.headers.authorization ?? '')?.[1] ?? '', secret: SecretId });
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    stop = () => void server.close();
    vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  };
  afterEach(() => {
    stop?.();
    asked.length = 0;
    vi.unstubAllEnvs();
  });

  it('is asked in the region of the secret', async () => {
    await answering(200, { ARN: arn, SecretString: 'hunter2' });
    expect(await openSecrets({ env: {} }).resolve(`secretsmanager:${arn}`)).toBe('hunter2');
    expect(asked).toEqual([{ region: 'eu-central-1', secret: arn }]);
  });

  it('has no password in a secret of bytes', async () => {
    await answering(200, { ARN: arn, SecretBinary: 'aHVudGVyMg==' });
    await expect(openSecrets({ env: {} }).resolve(`secretsmanager:${arn}`)).rejects.toMatchObject({
      code: 'SecretMissing',
      message: `secret ${arn} has no text value`,
    });
  });

  it('that refuses is named with the right that is missing', async () => {
    await answering(400, { __type: 'AccessDeniedException', message: 'no' });
    await expect(openSecrets({ env: {} }).resolve(`secretsmanager:${arn}`)).rejects.toMatchObject({
      code: 'SecretMissing',
      message: `cannot read secret ${arn}: AccessDeniedException`,
      hint: expect.stringContaining('secretsmanager:GetSecretValue'),
    });
  });
});
