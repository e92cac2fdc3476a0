import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
