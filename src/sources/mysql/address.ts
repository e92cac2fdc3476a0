import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import { iamProblem, LOGIN_FIELDS } from '../login.ts';

/** How the lanes of a backup come to one instant; docs/openmetadata-on-mysql.md compares them. */
export const BARRIERS = ['auto', 'binlog-snapshot', 'lock-tables', 'global-lock'] as const;

/**
 * Where a MySQL or MariaDB database lives and how to log in. `password` is a reference (`env:NAME`, `file:/path`,
 * `secretsmanager:<arn>`); `inlinePassword` holds the one of a URL. With neither, MYSQL_PWD counts.
 */
const Fields = z.strictObject({
  /** A name, an IP address, or the absolute path of a socket. */
  host: z.string().min(1),
  port: z.int().min(1).max(65535).default(3306),
  database: z.string().min(1).max(64),
  user: z.string().min(1),
  password: z.string().optional(),
  inlinePassword: z.string().optional(),
  ...LOGIN_FIELDS,
  /**
   * `auto` locks nothing where MariaDB's binary log can prove that all lanes see the same, and else does as `lock-tables`, which needs
   * the privilege LOCK TABLES. `binlog-snapshot` never locks. `global-lock` (FLUSH TABLES WITH READ LOCK) needs RELOAD and stops every writer.
   */
  barrier: z.enum(BARRIERS).default('auto'),
  /** Seconds that all lanes have to come to the barrier, before anything is locked. */
  barrierTimeout: z.int().min(1).max(300).default(120),
  /** Tables of engines without snapshots (MyISAM, Aria, MEMORY, …) that are read while they are locked; `*` for all. Others are refused. */
  underLock: z.array(z.string().min(1)).default([]),
  /** `current`: what a restore makes belongs to its own user, whoever it belonged to. */
  definer: z.enum(['keep', 'current']).default('keep'),
  /** Of an OpenMetadata that lives here: a reference to its FERNET_KEY, whose fingerprint and fit are then part of the backup. */
  fernetKey: z.string().optional(),
});

export const MysqlAddressSchema = Fields.superRefine((address, context) => {
  const problem = iamProblem(address);
  if (problem !== undefined) context.addIssue({ code: 'custom', path: ['auth'], message: problem });
});

export type MysqlAddress = z.output<typeof MysqlAddressSchema>;

export const SCHEMES = ['mysql', 'mariadb'] as const;

const PARAMETERS = new Set(['auth', 'sslmode', 'sslrootcert', 'barrier', 'barrierTimeout', 'underLock', 'definer', 'socket']);

/** Reads `mysql://user:password@host:port/database?sslmode=…`; fails with Usage on a parameter that would be ignored. */
export const addressFromUrl = (url: URL): MysqlAddress => {
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.has(name))
      throw new LifeboatError('Usage', `unknown parameter "${name}" in ${redactUrl(url)}`, {
        hint: `Known are ${[...PARAMETERS].join(', ')}.`,
      });
  }
  const parameter = (name: string) => url.searchParams.get(name) ?? undefined;
  const timeout = parameter('barrierTimeout');
  const parsed = MysqlAddressSchema.safeParse({
    host: parameter('socket') ?? (unbracket(decodeURIComponent(url.hostname)) || 'localhost'),
    port: url.port === '' ? undefined : Number(url.port),
    database: decodeURIComponent(url.pathname.replace(/^\//, '')),
    user: decodeURIComponent(url.username) || 'root',
    inlinePassword: url.password === '' ? undefined : decodeURIComponent(url.password),
    auth: parameter('auth'),
    sslmode: parameter('sslmode'),
    sslrootcert: parameter('sslrootcert'),
    barrier: parameter('barrier'),
    barrierTimeout: timeout === undefined ? undefined : Number(timeout),
    underLock: parameter('underLock')?.split(','),
    definer: parameter('definer'),
  });
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') ?? 'url';
  throw new LifeboatError('Usage', `${field} of ${redactUrl(url)} is not valid`, { hint: parsed.error.issues[0]?.message ?? '' });
};

/** For people and records: no password. */
export const redact = (address: MysqlAddress): string => {
  const user = encodeURIComponent(address.user);
  const database = encodeURIComponent(address.database);
  if (isSocket(address)) return `mysql://${user}@localhost/${database}?socket=${encodeURIComponent(address.host)}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `mysql://${user}@${host}:${address.port}/${database}`;
};

/** Host and port as error messages name them. */
export const endpoint = (address: MysqlAddress): string => (isSocket(address) ? address.host : `${address.host}:${address.port}`);

export const isSocket = (address: MysqlAddress): boolean => address.host.startsWith('/');

const redactUrl = (url: URL): string => `${url.protocol}//${url.host}${url.pathname}`;

const unbracket = (host: string): string => host.replace(/^\[(.*)\]$/, '$1');
