import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';

const ENGINES = ['sqlite3', 'postgres', 'mysql', 'redis', 'rdb'] as const;
/** How Redis is read; `auto` takes the first that the server allows: replication, scan; walk where there is no room for a copy. */
const READS = ['auto', 'replication', 'scan', 'walk'] as const;
const TLS = ['disable', 'prefer', 'require', 'verify-full'] as const;
const PORTS = { sqlite3: 0, postgres: 5432, mysql: 3306, redis: 6379, rdb: 0 } as const;
const USERS = { sqlite3: '', postgres: 'postgres', mysql: 'root', redis: '', rdb: '' } as const;

/**
 * The metadata engine of a volume and how to log in. `password` is a reference (`env:NAME`, `file:/path`, `secretsmanager:<arn>`);
 * `inlinePassword` holds the one of a URL.
 */
export const JuicefsAddressSchema = z
  .strictObject({
    engine: z.enum(ENGINES),
    /**
     * Of a SQLite file, absolute; a relative one is below the folder for temporary files. Of an RDB file, absolute, or s3://bucket/key;
     * with a slash at its end the newest .rdb below it.
     */
    path: z.string().min(1).optional(),
    host: z.string().min(1).default('localhost'),
    port: z.int().min(1).max(65535).optional(),
    /** A name, or the number of a Redis database. */
    database: z.string().default(''),
    user: z.string().optional(),
    password: z.string().optional(),
    inlinePassword: z.string().optional(),
    tls: z.enum(TLS).default('prefer'),
    /** Of PostgreSQL. */
    schema: z.string().min(1).default('public'),
    /** What juicefs was given as table_prefix: its tables are then jfs_<prefix>_…. */
    tablePrefix: z
      .string()
      .regex(/^\w{1,40}$/)
      .optional(),
    /** Of a Redis cluster: `{3}` for the database 3. */
    keyPrefix: z
      .string()
      .regex(/^\{\d+\}$/)
      .optional(),
    read: z.enum(READS).default('auto'),
    /** Of the bucket that an RDB lies in; that of the environment when absent. */
    region: z.string().min(1).optional(),
    endpoint: z.url().optional(),
    /** Only this folder, as juicefs dump --subdir; for dumps into a file. */
    subdir: z.string().startsWith('/').optional(),
    skipTrash: z.boolean().default(false),
    /** Keeps SecretKey and SessionToken of the volume in what is written. */
    keepSecretKey: z.boolean().default(false),
    /** An audit asks the volume's bucket for this many blocks; for none when absent. */
    blocks: z
      .strictObject({
        sample: z.int().min(1).max(100_000).default(500),
        /** Where they are, when it is not where the setting of the volume says: a replica. The folder that has `chunks/`. */
        url: z
          .string()
          .regex(/^(s3|file):\/\/\S+$/, 'expected s3://bucket/volume or file:///path/volume')
          .optional(),
        region: z.string().min(1).optional(),
        endpoint: z.url().optional(),
      })
      .optional(),
  })
  .refine((address) => isFile(address.engine) === (address.path !== undefined), {
    error: 'a path belongs to sqlite3 and rdb, and both need one',
    path: ['path'],
  });

const isFile = (engine: string): boolean => engine === 'sqlite3' || engine === 'rdb';

export type JuicefsAddress = z.output<typeof JuicefsAddressSchema>;

export const SCHEMES = [
  'juicefs+redis',
  'juicefs+rediss',
  'juicefs+postgres',
  'juicefs+mysql',
  'juicefs+sqlite3',
  'juicefs+rdb',
  'juicefs+rdb+s3',
] as const;

const OPTIONS = new Set([
  'search_path',
  'table_prefix',
  'key_prefix',
  'sslmode',
  'tls',
  'read',
  'db',
  'region',
  'endpoint',
  'subdir',
  'skip-trash',
  'keep-secret-key',
  'blocks',
]);

/** Reads the URL that follows `juicefs+`, with the parameters of juicefs that matter for its metadata. Fails with Usage. */
export const addressFromUrl = (url: URL): JuicefsAddress => {
  const scheme = url.protocol.replace(/^juicefs\+|:$/g, '');
  const shown = `${url.protocol}//${url.host}${url.pathname}`;
  for (const name of url.searchParams.keys())
    if (!OPTIONS.has(name))
      throw new LifeboatError('Usage', `unknown parameter "${name}" in ${shown}`, { hint: `Known are ${[...OPTIONS].join(', ')}.` });
  const engine = scheme === 'rediss' ? 'redis' : scheme === 'rdb+s3' ? 'rdb' : scheme;
  const parameter = (name: string): string | undefined => url.searchParams.get(name) ?? undefined;
  const flag = (name: string): boolean => url.searchParams.has(name) && parameter(name) !== 'false';
  const path = decodeURIComponent(url.pathname);
  const user = decodeURIComponent(url.username);
  const tls = scheme === 'rediss' ? 'require' : (parameter('sslmode') ?? parameter('tls'));
  const parsed = JuicefsAddressSchema.safeParse({
    engine,
    ...(isFile(engine)
      ? { path: scheme === 'rdb+s3' ? `s3://${url.host}${path}` : path, database: parameter('db') }
      : { database: path.replace(/^\//, '') }),
    ...(isFile(engine) || url.hostname === '' ? {} : { host: decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1') }),
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    ...(user === '' ? {} : { user }),
    ...(url.password === '' ? {} : { inlinePassword: decodeURIComponent(url.password) }),
    ...(tls === undefined ? {} : { tls: tls === 'true' ? 'require' : tls }),
    schema: parameter('search_path'),
    tablePrefix: parameter('table_prefix'),
    keyPrefix: parameter('key_prefix'),
    read: parameter('read'),
    region: parameter('region'),
    endpoint: parameter('endpoint'),
    subdir: parameter('subdir'),
    skipTrash: flag('skip-trash'),
    keepSecretKey: flag('keep-secret-key'),
    ...(flag('blocks') ? { blocks: blocksOf(parameter('blocks') ?? '') } : {}),
  });
  if (!parsed.success)
    throw new LifeboatError('Usage', `${parsed.error.issues[0]?.path.join('.') ?? 'url'} of ${shown} is not valid`, {
      hint: parsed.error.issues[0]?.message ?? '',
    });
  return parsed.data;
};

/** `?blocks=500`, or `?blocks` for as many as there are by default. */
const blocksOf = (value: string): Readonly<Record<string, number>> => (value === '' || value === 'true' ? {} : { sample: Number(value) });

/** For people and records: no password. */
export const redact = (address: JuicefsAddress): string => {
  if (address.engine === 'sqlite3') return `juicefs+sqlite3://${address.path ?? ''}`;
  if (address.engine === 'rdb') return `juicefs+rdb${shownRdb(address)}`;
  const user = address.user === undefined ? '' : `${encodeURIComponent(address.user)}@`;
  const scheme = address.engine === 'redis' && address.tls === 'require' ? 'rediss' : address.engine;
  const more = address.tablePrefix === undefined ? '' : `?table_prefix=${address.tablePrefix}`;
  return `juicefs+${scheme}://${user}${address.host}:${portOf(address)}/${address.database}${more}`;
};

const shownRdb = ({ path = '', database }: JuicefsAddress): string =>
  `${path.startsWith('s3://') ? `+${path}` : `://${path}`}?db=${database === '' ? '0' : database}`;

/** Whether the keys of Redis are what is read, of a server or of its RDB. */
export const isRedis = ({ engine }: JuicefsAddress): boolean => engine === 'redis' || engine === 'rdb';

export const portOf = ({ engine, port }: JuicefsAddress): number => port ?? PORTS[engine];
export const userOf = ({ engine, user }: JuicefsAddress): string => user ?? USERS[engine];

/** `jfs_`, or `jfs_<table_prefix>_`. */
export const tablePrefixOf = ({ tablePrefix }: JuicefsAddress): string => (tablePrefix === undefined ? 'jfs_' : `jfs_${tablePrefix}_`);

export const pathOf = ({ path = '' }: JuicefsAddress, temporary: string): string => (isAbsolute(path) ? path : join(temporary, path));

/** Where it is; two addresses of one place are the same text. */
export const placeOf = (address: JuicefsAddress, temporary: string): string => {
  const { engine, host, database, schema, keyPrefix = '' } = address;
  const server = `${host === 'localhost' ? '127.0.0.1' : host}:${portOf(address)}`;
  switch (engine) {
    case 'sqlite3':
      return `sqlite3://${pathOf(address, temporary)}#${tablePrefixOf(address)}`;
    case 'postgres':
      return `postgres://${server}/${database}/${schema}#${tablePrefixOf(address)}`;
    case 'mysql':
      return `mysql://${server}/${database}#${tablePrefixOf(address)}`;
    case 'redis':
      return `redis://${server}/${database === '' ? '0' : database}${keyPrefix}`;
    case 'rdb':
      return `rdb${shownRdb(address)}${keyPrefix}`;
  }
};

/** Only what has this name is ever made or dropped for a drill. */
export const SCRATCH_PREFIX = 'lifeboat-drill-';

const asDatabase = (name: string): string => name.replaceAll('-', '_');

/** Beside a SQL server a database of its own; else a SQLite file among the temporary ones, which needs no server. */
export const scratchOf = (address: JuicefsAddress, name: string): JuicefsAddress => {
  if (address.engine === 'postgres' || address.engine === 'mysql')
    return { ...address, database: asDatabase(name), tablePrefix: undefined, schema: 'public' };
  return JuicefsAddressSchema.parse({ engine: 'sqlite3', path: `${name}.db` });
};

export const isScratch = (address: JuicefsAddress): boolean => {
  if (address.engine === 'sqlite3') return (address.path?.split('/').at(-1) ?? '').startsWith(SCRATCH_PREFIX);
  return (address.engine === 'postgres' || address.engine === 'mysql') && address.database.startsWith(asDatabase(SCRATCH_PREFIX));
};
