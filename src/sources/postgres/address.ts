import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import { iamProblem, LOGIN_FIELDS } from '../login.ts';

/**
 * Where a PostgreSQL database lives and how to log in. `password` is a reference (`env:NAME`, `file:/path`,
 * `secretsmanager:<arn>`); `inlinePassword` holds the one of a URL. With neither, PGPASSWORD and ~/.pgpass count.
 */
const Fields = z.strictObject({
  /** A name, an IP address, or the absolute path of a socket's folder. */
  host: z.string().min(1),
  port: z.int().min(1).max(65535).default(5432),
  database: z.string().min(1),
  user: z.string().min(1),
  password: z.string().optional(),
  inlinePassword: z.string().optional(),
  ...LOGIN_FIELDS,
  sslcert: z.string().optional(),
  sslkey: z.string().optional(),
  /** Of an OpenMetadata that lives here: a reference to its FERNET_KEY, whose fingerprint and fit are then part of the backup. */
  fernetKey: z.string().optional(),
  /** As libpq's `options`: `-c search_path=x`. */
  options: z.string().optional(),
});

export const PostgresAddressSchema = Fields.superRefine((address, context) => {
  const problem = iamProblem(address);
  if (problem !== undefined) context.addIssue({ code: 'custom', path: ['auth'], message: problem });
});

export type PostgresAddress = z.output<typeof PostgresAddressSchema>;

export const SCHEMES = ['postgres', 'postgresql'] as const;

const PARAMETERS = new Set([
  'auth',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'options',
  'host',
  'port',
  'user',
  'dbname',
  'application_name',
]);

/** Reads a connection URI as libpq does; fails with Usage on a parameter that would be ignored. */
export const addressFromUrl = (url: URL): PostgresAddress => {
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.has(name)) {
      throw new LifeboatError('Usage', `unknown parameter "${name}" in ${redactUrl(url)}`, {
        hint: `Known are ${[...PARAMETERS].join(', ')}.`,
      });
    }
  }
  const parameter = (name: string) => url.searchParams.get(name) ?? undefined;
  const user = decodeURIComponent(url.username) || parameter('user') || process.env['PGUSER'] || 'postgres';
  const port = url.port || parameter('port');
  const mode = parameter('sslmode');
  const parsed = PostgresAddressSchema.safeParse({
    host: parameter('host') ?? (unbracket(decodeURIComponent(url.hostname)) || 'localhost'),
    port: port === undefined ? undefined : Number(port),
    database: decodeURIComponent(url.pathname.replace(/^\//, '')) || parameter('dbname') || user,
    user,
    inlinePassword: url.password === '' ? undefined : decodeURIComponent(url.password),
    auth: parameter('auth'),
    sslmode: mode === 'allow' ? 'prefer' : mode,
    sslrootcert: parameter('sslrootcert'),
    sslcert: parameter('sslcert'),
    sslkey: parameter('sslkey'),
    options: parameter('options'),
  });
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') ?? 'url';
  throw new LifeboatError('Usage', `${field} of ${redactUrl(url)} is not valid`, { hint: parsed.error.issues[0]?.message ?? '' });
};

/** For people and records: no password, no key. */
export const redact = (address: PostgresAddress): string => {
  const user = encodeURIComponent(address.user);
  const database = encodeURIComponent(address.database);
  if (isSocket(address)) return `postgres:///${database}?host=${encodeURIComponent(address.host)}&port=${address.port}&user=${user}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `postgres://${user}@${host}:${address.port}/${database}`;
};

/** Host and port as error messages name them. */
export const endpoint = (address: PostgresAddress): string =>
  isSocket(address) ? `${address.host}/.s.PGSQL.${address.port}` : `${address.host}:${address.port}`;

export const isSocket = (address: PostgresAddress): boolean => address.host.startsWith('/');

const redactUrl = (url: URL): string => `${url.protocol}//${url.host}${url.pathname}`;

const unbracket = (host: string): string => host.replace(/^\[(.*)\]$/, '$1');
