import { readFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import type { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import type { Services } from '../contract.ts';
import { openSocket } from '../lending-socket.ts';
import { logIn, rdsAuthorities, tlsMode, trustsRds } from '../login.ts';
import { endpoint, isSocket, type PostgresAddress } from './address.ts';
import { type Failure, mapError } from './errors.ts';

/** How long TCP, TLS and login together may take, in milliseconds. */
export const CONNECT_TIMEOUT_MS = 15_000;

/** `server_version_num` of the oldest server that is known, and of the first that is not. */
const OLDEST = 130_000;
const UNKNOWN_FROM = 190_000;

/**
 * What every session is pinned to, so that one value has one text on every server. `sql` is the value as SQL; `since`
 * is the server version that knows the setting.
 */
export const SETTINGS: readonly { readonly name: string; readonly sql: string; readonly since?: number }[] = [
  { name: 'client_encoding', sql: "'UTF8'" },
  { name: 'standard_conforming_strings', sql: 'on' },
  { name: 'timezone', sql: "'UTC'" },
  { name: 'datestyle', sql: "'ISO, MDY'" },
  { name: 'intervalstyle', sql: "'postgres'" },
  { name: 'extra_float_digits', sql: '3' },
  { name: 'bytea_output', sql: "'hex'" },
  { name: 'xmlbinary', sql: "'base64'" },
  { name: 'lc_monetary', sql: "'C'" },
  { name: 'search_path', sql: "'pg_catalog'" },
  { name: 'row_security', sql: 'off' },
  { name: 'statement_timeout', sql: '0' },
  { name: 'lock_timeout', sql: "'10s'" },
  { name: 'idle_in_transaction_session_timeout', sql: '0' },
  { name: 'idle_session_timeout', sql: '0', since: 140_000 },
  { name: 'transaction_timeout', sql: '0', since: 170_000 },
  // A range is read in the order of its pages, so that a reader can go on after the rows that it has.
  { name: 'synchronize_seqscans', sql: 'off' },
  { name: 'max_parallel_workers_per_gather', sql: '0' },
  { name: 'jit', sql: 'off' },
];

export interface Connection {
  readonly address: PostgresAddress;
  /** As `server_version_num`: 150020 is 15.20. */
  readonly version: number;
  /** What the server reported at login: `server_version`, `is_superuser`, … */
  readonly parameters: ReadonlyMap<string, string>;
  readonly client: pg.Client;
  /** The socket, after TLS. Whoever reads it raw must leave it at ReadyForQuery. */
  readonly stream: Duplex;
  /** One or more statements without result. */
  run(sql: string, doing?: string): Promise<void>;
  /** The rows of one statement, checked. `doing` goes into the message when it fails. */
  rows<Row>(schema: z.ZodType<Row>, sql: string, values?: readonly unknown[], doing?: string): Promise<Row[]>;
  /** Rows as they are, for callers that bring their own checks. */
  query(sql: string, values?: readonly unknown[], doing?: string): Promise<Record<string, unknown>[]>;
  /** Says goodbye; never fails. */
  close(): Promise<void>;
  /** Drops the socket at once: ends what the server still sends. */
  destroy(): void;
}

export interface ConnectOptions {
  /** Takes the place of the address's database. */
  readonly database?: string;
  readonly otherwise?: Failure['otherwise'];
  /** Milliseconds; CONNECT_TIMEOUT_MS when absent. */
  readonly timeout?: number;
}

/** Opens a session with pinned settings. Fails with ConnectionRefused, LoginFailed, NoSuchDatabase, VersionUnsupported. */
export const connect = async (
  address: PostgresAddress,
  services: Pick<Services, 'secret'>,
  options: ConnectOptions = {},
): Promise<Connection> => {
  const at = options.database === undefined ? address : { ...address, database: options.database };
  const secure = await tlsOptions(at);
  const { client, parameters } = await logIn(at, services, at.inlinePassword, (password) => login(at, password, secure, options));
  const connection = wrap(client, at, parameters, options.otherwise);
  try {
    checkVersion(connection.version, at);
    await connection.run(settingsSql(connection.version), 'setting up the session');
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  }
};

/** As connect, for one piece of work: always closed, and dropped at once when the work fails. */
export const withConnection = async <Result>(
  address: PostgresAddress,
  services: Pick<Services, 'secret'>,
  work: (connection: Connection) => Promise<Result>,
  options: ConnectOptions = {},
): Promise<Result> => {
  const connection = await connect(address, services, options);
  let result: Result;
  try {
    result = await work(connection);
  } catch (error) {
    connection.destroy();
    throw error;
  }
  await connection.close();
  return result;
};

export const settingsSql = (version: number): string =>
  SETTINGS.filter((setting) => version >= (setting.since ?? 0))
    .map((setting) => `SET ${setting.name} = ${setting.sql};`)
    .join(' ');

const login = async (
  address: PostgresAddress,
  password: string | undefined,
  secure: ConnectionOptions | false,
  options: ConnectOptions,
): Promise<{ client: pg.Client; parameters: Map<string, string> }> => {
  const client = new pg.Client({
    host: address.host,
    port: address.port,
    database: address.database,
    user: address.user,
    ...(password === undefined ? {} : { password }),
    ...(address.options === undefined ? {} : { options: address.options }),
    ssl: secure,
    ...(secure === false ? { stream: openSocket } : {}),
    application_name: 'lifeboat',
    connectionTimeoutMillis: options.timeout ?? CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  // A lost connection shows where it is used next; without a listener it would end the process.
  client.on('error', () => {});
  const parameters = new Map<string, string>();
  client.connection.on('parameterStatus', (message: { parameterName: string; parameterValue: string }) => {
    parameters.set(message.parameterName, message.parameterValue);
  });
  try {
    await client.connect();
    return { client, parameters };
  } catch (error) {
    client.connection.stream.destroy();
    if (modeOf(address) === 'prefer' && secure !== false && error instanceof Error && /does not support SSL/.test(error.message)) {
      return login(address, password, false, options);
    }
    throw mapError(error, { address, otherwise: options.otherwise });
  }
};

const wrap = (
  client: pg.Client,
  address: PostgresAddress,
  parameters: Map<string, string>,
  otherwise: Failure['otherwise'],
): Connection => {
  const query = async (sql: string, values: readonly unknown[] = [], doing?: string) => {
    try {
      const result = await client.query(sql, [...values]);
      return result.rows;
    } catch (error) {
      throw mapError(error, { address, doing, otherwise });
    }
  };
  return {
    address,
    version: versionOf(parameters.get('server_version') ?? ''),
    parameters,
    client,
    get stream() {
      return client.connection.stream;
    },
    query,
    async run(sql, doing) {
      try {
        await client.query(sql);
      } catch (error) {
        throw mapError(error, { address, doing, otherwise });
      }
    },
    async rows(schema, sql, values, doing) {
      return (await query(sql, values, doing)).map((row) => schema.parse(row));
    },
    async close() {
      // The work is done and its outcome known: a server that is already gone changes nothing.
      await client.end().catch(() => client.connection.stream.destroy());
    },
    destroy() {
      client.connection.stream.destroy();
    },
  };
};

/** `15.20 (Debian 15.20-1)` is 150020, `18beta1` is 180000. */
export const versionOf = (text: string): number => {
  const [, major = '0', minor = '0'] = /^(\d+)(?:\.(\d+))?/.exec(text) ?? [];
  return Number(major) * 10_000 + Number(minor);
};

const checkVersion = (version: number, address: PostgresAddress): void => {
  if (version < OLDEST) {
    throw new LifeboatError('VersionUnsupported', `${endpoint(address)} runs PostgreSQL ${Math.floor(version / 10_000)}, older than 13`, {
      hint: 'Upgrade the server; PostgreSQL 13 to 18 are supported.',
    });
  }
  if (version >= UNKNOWN_FROM) {
    throw new LifeboatError(
      'VersionUnsupported',
      `${endpoint(address)} runs PostgreSQL ${Math.floor(version / 10_000)}, newer than known`,
      {
        hint: 'Upgrade Lifeboat: its pg_dump knows PostgreSQL up to 18.',
      },
    );
  }
};

const modeOf = (address: PostgresAddress) => tlsMode(address, 'prefer', 'verify-full');

const tlsOptions = async (address: PostgresAddress): Promise<ConnectionOptions | false> => {
  const mode = modeOf(address);
  if (mode === 'disable' || isSocket(address)) return false;
  const authorities = trustsRds(address, mode) ? rdsAuthorities() : pem(address.sslrootcert);
  const [ca, cert, key] = await Promise.all([authorities, pem(address.sslcert), pem(address.sslkey)]);
  // As in libpq, a root certificate makes `require` check the chain.
  const verify = mode.startsWith('verify') || (mode === 'require' && ca !== undefined);
  return {
    rejectUnauthorized: verify,
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
};

const pem = async (path: string | undefined): Promise<string | undefined> => {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new LifeboatError('ConfigInvalid', `cannot read the certificate file ${path}`, {
      hint: 'Check sslrootcert, sslcert and sslkey.',
      cause,
    });
  }
};
