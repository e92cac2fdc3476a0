import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { LifeboatError } from '../errors.ts';
import { parseIfJson } from '../json.ts';
import { isReference } from './redact.ts';

/** Larger than any password or key; a mistaken path to something else fails. */
const SECRET_FILE_MAX_BYTES = 64 * 1024;

/** How long a warm function goes on with a secret that may have been changed meanwhile; in milliseconds. */
const SECRET_MAX_AGE_MS = 5 * 60 * 1000;

export interface Secrets {
  /** The secret that a reference names; looked up again after some minutes, or when it is to be `fresh`. Fails with SecretMissing. */
  readonly resolve: (reference: string, options?: { readonly fresh?: boolean }) => Promise<string>;
  /** Every secret resolved until now, for redaction. */
  readonly known: () => readonly string[];
}

export interface SecretPlaces {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a secret of AWS Secrets Manager; the default loads the SDK when it is first asked. */
  readonly secretsManager?: (arn: string) => Promise<string>;
  /** Milliseconds. */
  readonly now?: () => number;
}

export const openSecrets = (places: SecretPlaces): Secrets => {
  const cache = new Map<string, { readonly secret: Promise<string>; readonly since: number }>();
  const known = new Set<string>();
  const now = places.now ?? Date.now;
  const lookUp = async (reference: string): Promise<string> => {
    const secret = await read(reference, places);
    known.add(secret);
    return secret;
  };
  const resolve: Secrets['resolve'] = (reference, { fresh = false } = {}) => {
    const cached = cache.get(reference);
    if (cached !== undefined && !fresh && now() - cached.since < SECRET_MAX_AGE_MS) return cached.secret;
    const entry = { secret: lookUp(reference), since: now() };
    cache.set(reference, entry);
    // A failure is not kept: the next caller asks again.
    entry.secret.catch(() => cache.get(reference) === entry && cache.delete(reference));
    return entry.secret;
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
  const [arn = '', field] = rest.split('#', 2);
  const secret = await (places.secretsManager ?? fromSecretsManager)(arn);
  return field === undefined ? secret : fieldOf(secret, arn, field);
};

/** RDS and its rotation keep `{"username": …, "password": …}`. */
const fieldOf = (secret: string, arn: string, field: string): string => {
  const found = FieldsSchema.safeParse(parseIfJson(secret));
  const value = found.success ? found.data[field] : undefined;
  // Never the parser's own message: it may quote what it read.
  if (typeof value !== 'string' || value === '')
    throw new LifeboatError('SecretMissing', `secret ${arn} has no field "${field}" with a text`, {
      hint: 'What follows # in a reference is a field of a secret that is JSON.',
    });
  return value;
};

const FieldsSchema = z.record(z.string(), z.unknown());

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
