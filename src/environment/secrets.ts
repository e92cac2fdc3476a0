import { readFile } from 'node:fs/promises';
import { LifeboatError } from '../errors.ts';
import { isReference } from './redact.ts';

/** Larger than any password or key; a mistaken path to something else fails. */
const SECRET_FILE_MAX_BYTES = 64 * 1024;

export interface Secrets {
  /** The secret that a reference names; each reference is looked up once. Fails with SecretMissing. */
  readonly resolve: (reference: string) => Promise<string>;
  /** Every secret resolved until now, for redaction. */
  readonly known: () => readonly string[];
}

export interface SecretPlaces {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a secret of AWS Secrets Manager; the default loads the SDK when it is first asked. */
  readonly secretsManager?: (arn: string) => Promise<string>;
}

export const openSecrets = (places: SecretPlaces): Secrets => {
  const cache = new Map<string, Promise<string>>();
  const known = new Set<string>();
  const lookUp = async (reference: string): Promise<string> => {
    const secret = await read(reference, places);
    known.add(secret);
    return secret;
  };
  const resolve = (reference: string): Promise<string> => {
    const cached = cache.get(reference);
    if (cached !== undefined) return cached;
    const secret = lookUp(reference);
    cache.set(reference, secret);
    // A failure is not kept: the next caller asks again.
    secret.catch(() => cache.delete(reference));
    return secret;
  };
  return { resolve, known: () => [...known] };
};

const read = async (reference: string, places: SecretPlaces): Promise<string> => {
  if (!isReference(reference))
    throw new LifeboatError('SecretMissing', 'not a reference to a secret', {
      hint: 'Write env:NAME, file:/path or secretsmanager:<arn>.',
    });
  const [scheme, rest] = [reference.slice(0, reference.indexOf(':')), reference.slice(reference.indexOf(':') + 1)];
  if (scheme === 'env') return fromEnvironment(rest, places.env);
  if (scheme === 'file') return fromFile(rest);
  return (places.secretsManager ?? fromSecretsManager)(rest);
};

const fromEnvironment = (name: string, env: SecretPlaces['env']): string => {
  const value = env[name];
  if (value === undefined || value === '')
    throw new LifeboatError('SecretMissing', `environment variable ${name} is not set`, {
      hint: `Set ${name}; the environment file refers to it.`,
    });
  return value;
};

const fromFile = async (path: string): Promise<string> => {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new LifeboatError('SecretMissing', `cannot read the secret file ${path}`, { hint: 'The environment file refers to it.', cause });
  });
  if (bytes.length > SECRET_FILE_MAX_BYTES)
    throw new LifeboatError('SecretMissing', `secret file ${path} is larger than ${SECRET_FILE_MAX_BYTES} bytes`, {
      hint: 'Is it the right file?',
    });
  const secret = bytes.toString('utf8').replace(/\r?\n$/, '');
  if (secret === '') throw new LifeboatError('SecretMissing', `secret file ${path} is empty`);
  return secret;
};

/** The region is the ARN's own, so that a drill elsewhere still finds it. */
const fromSecretsManager = async (arn: string): Promise<string> => {
  const { GetSecretValueCommand, SecretsManagerClient } = await import('@aws-sdk/client-secrets-manager');
  const region = arn.split(':')[3];
  const client = new SecretsManagerClient(region === undefined || region === '' ? {} : { region });
  try {
    const answer = await client.send(new GetSecretValueCommand({ SecretId: arn }));
    if (answer.SecretString === undefined) throw new LifeboatError('SecretMissing', `secret ${arn} has no text value`);
    return answer.SecretString;
  } catch (cause) {
    if (cause instanceof LifeboatError) throw cause;
    const reason = cause instanceof Error ? `: ${cause.name}` : '';
    throw new LifeboatError('SecretMissing', `cannot read secret ${arn}${reason}`, {
      hint: 'The role needs secretsmanager:GetSecretValue on it, and kms:Decrypt on its key.',
      cause,
    });
  } finally {
    client.destroy();
  }
};
