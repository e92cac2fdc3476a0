import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { LifeboatError } from '../../../errors.ts';
import { parseJson } from '../../../json.ts';
import type { Services } from '../../contract.ts';
import type { LakefsAddress } from '../address.ts';

export interface Login {
  /** With /api/v1, without a slash at the end. */
  readonly api: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const Secret = z.object({ access_key_id: z.string().min(1), secret_access_key: z.string().min(1) });

const HINT =
  'Give them in the address, as LAKECTL_CREDENTIALS_ACCESS_KEY_ID and LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY, or in ~/.lakectl.yaml.';

/** Where the server is and how to log in: the address, then LAKECTL_*, then ~/.lakectl.yaml. Fails with ConfigInvalid or SecretMissing. */
export const findLogin = async (
  address: LakefsAddress,
  services: Pick<Services, 'secret'>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<Login> => {
  const secret = address.credentials === undefined ? undefined : await readSecret(address.credentials, services);
  const given = {
    endpoint: address.endpoint,
    accessKeyId: secret?.access_key_id ?? address.accessKeyId,
    secretAccessKey:
      secret?.secret_access_key ??
      address.inlineSecretAccessKey ??
      (address.secretAccessKey === undefined ? undefined : await services.secret(address.secretAccessKey)),
  };
  const config = Object.values(given).every((value) => value !== undefined) ? {} : await readConfig(env);
  const endpoint = given.endpoint ?? env['LAKECTL_SERVER_ENDPOINT_URL'] ?? config['server.endpoint_url'];
  const accessKeyId = given.accessKeyId ?? env['LAKECTL_CREDENTIALS_ACCESS_KEY_ID'] ?? config['credentials.access_key_id'];
  const secretAccessKey = given.secretAccessKey ?? env['LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY'] ?? config['credentials.secret_access_key'];
  if (endpoint === undefined)
    throw new LifeboatError('ConfigInvalid', 'no endpoint of lakeFS is given', { hint: 'Set endpoint, or LAKECTL_SERVER_ENDPOINT_URL.' });
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new LifeboatError('SecretMissing', `no access key of ${endpoint} is given`, { hint: HINT });
  return { api: apiOf(endpoint), accessKeyId, secretAccessKey };
};

/** With or without /api/v1 and slashes at the end, as lakectl takes it. */
export const apiOf = (endpoint: string): string => {
  const withScheme = /^https?:\/\//.test(endpoint) ? endpoint : `http://${endpoint}`;
  if (!URL.canParse(withScheme)) throw new LifeboatError('ConfigInvalid', 'the endpoint of lakeFS is not a URL');
  return `${withScheme.replace(/\/+$/, '').replace(/\/api\/v1$/, '')}/api/v1`;
};

const readSecret = async (reference: string, services: Pick<Services, 'secret'>): Promise<z.output<typeof Secret>> => {
  const text = await services.secret(reference);
  try {
    return Secret.parse(parseJson(text));
  } catch {
    // Neither the text nor what the parser says of it: both may show the secret.
    throw new LifeboatError('SecretMissing', `the secret ${reference} is not {"access_key_id": …, "secret_access_key": …}`);
  }
};

const readConfig = async (env: Readonly<Record<string, string | undefined>>): Promise<Readonly<Record<string, string>>> => {
  const named = env['LAKECTL_CONFIG_FILE'];
  const path = named ?? join(env['HOME'] ?? homedir(), '.lakectl.yaml');
  try {
    return parseConfig(await readFile(path, 'utf8'));
  } catch (cause) {
    const missing = typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'ENOENT';
    if (missing && named === undefined) return {};
    throw new LifeboatError('ConfigInvalid', `${path} cannot be read`, { cause });
  }
};

/** The part of YAML that lakectl writes: sections of scalars. `a:\n  b: c` is `a.b`. */
export const parseConfig = (text: string): Record<string, string> => {
  const values: Record<string, string> = {};
  const path: { readonly indent: number; readonly name: string }[] = [];
  for (const line of text.split(/\r?\n/)) {
    const found = /^(\s*)([\w-]+):(?:\s+(.*?))?\s*$/.exec(line.replace(/(^|\s)#.*$/, ''));
    if (found === null) continue;
    const [, indent = '', name = '', value = ''] = found;
    while ((path.at(-1)?.indent ?? -1) >= indent.length) path.pop();
    path.push({ indent: indent.length, name });
    if (value !== '') values[path.map((part) => part.name).join('.')] = value.replace(/^(['"])(.*)\1$/, '$2');
  }
  return values;
};
