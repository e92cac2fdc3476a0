import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { type Duplex, Readable } from 'node:stream';
import type mysql from 'mysql2';
import type { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import type { Services } from '../contract.ts';
import { openSocket } from '../lending-socket.ts';
import { logIn, rdsAuthorities, tlsMode, trustsRds } from '../login.ts';
import { endpoint, isSocket, type MysqlAddress } from './address.ts';
import { type Failure, mapError } from './errors.ts';
import { type ResultSink, streamResult } from './result-stream.ts';

/** How long TCP, TLS and login together may take, in milliseconds. */
const CONNECT_TIMEOUT_MS = 15_000;

/** Oldest servers: MariaDB 10.5, MySQL 5.7. */
const OLDEST: Readonly<Record<Product, number>> = { MariaDB: 100_500, MySQL: 50_700 };

export type Product = 'MariaDB' | 'MySQL';

/** One row as the text protocol has it: NULL, or the bytes of each value. */
export type RawRow = readonly (Buffer | null)[];

export interface Connection {
  readonly address: MysqlAddress;
  readonly product: Product;
  /** 101119 is 10.11.19, 80036 is 8.0.36. */
  readonly version: number;
  /** As `SELECT version()` has it, without what a distributor adds. */
  readonly versionText: string;
  /** One statement without result; answers how many rows it changed. */
  run(sql: string, doing?: string): Promise<number>;
  rows<Row>(schema: z.ZodType<Row>, sql: string, doing?: string): Promise<Row[]>;
  query(sql: string, doing?: string): Promise<Record<string, unknown>[]>;
  /** A small result as its bytes. */
  raw(sql: string, doing: string): Promise<RawRow[]>;
  /** LOAD DATA LOCAL with these bytes as its file, whatever name the server asks for; answers how many rows came in. */
  load(sql: string, bytes: AsyncIterable<Uint8Array>, doing: string): Promise<number>;
  /** Streams a result; stops the server while the sink is behind. */
  read(sql: string, sink: ResultSink, doing: string): Promise<void>;
  /** Says goodbye; never fails. */
  close(): Promise<void>;
  /** Drops the socket at once. */
  destroy(): void;
}

export interface ConnectOptions {
  /** Takes the place of the address's database; null for none. */
  readonly database?: string | null;
  readonly target?: boolean;
  /** May use LOAD DATA LOCAL. */
  readonly loads?: boolean;
}

/** What every session is set to, so that one value has one text on every server. */
const settings = ({ product, version }: Server): string =>
  [
    "SET NAMES utf8mb4, SESSION sql_mode = '', time_zone = '+00:00', net_write_timeout = 900, net_read_timeout = 900",
    'wait_timeout = 28800, lock_wait_timeout = 10, sql_big_selects = 1, sql_quote_show_create = 1, group_concat_max_len = 1048576',
    product === 'MariaDB'
      ? "max_statement_time = 0, tx_isolation = 'REPEATABLE-READ'"
      : "max_execution_time = 0, transaction_isolation = 'REPEATABLE-READ'",
    // Sizes of tables as they are now, not of yesterday.
    ...(product === 'MySQL' && version >= 80_000 ? ['information_schema_stats_expiry = 0'] : []),
  ].join(', ');

/** Opens a session with pinned settings. Fails with ConnectionRefused, LoginFailed, NoSuchDatabase, VersionUnsupported. */
export const connect = async (
  address: MysqlAddress,
  services: Pick<Services, 'secret'>,
  options: ConnectOptions = {},
): Promise<Connection> => {
  const failure: Failure = { address, target: options.target };
  const client = await logIn(address, services, address.inlinePassword ?? process.env['MYSQL_PWD'], (password) =>
    login(address, password, options, failure),
  );
  try {
    const { product, version, versionText } = parseVersion(String(firstValue(await ask(client, 'SELECT version() AS v', failure))));
    if (version < OLDEST[product])
      throw new LifeboatError('VersionUnsupported', `${endpoint(address)} runs ${product} ${versionText}, which is too old`, {
        hint: 'Upgrade the server; MySQL from 5.7 and MariaDB from 10.5 on are supported.',
      });
    await ask(client, settings({ product, version, versionText }), failure);
    return wrap(client, failure, { product, version, versionText });
  } catch (error) {
    client.destroy();
    throw error;
  }
};

/** As connect, for one piece of work: always closed, and dropped at once when the work fails or the signal says so. */
export const withConnection = async <Result>(
  address: MysqlAddress,
  services: Pick<Services, 'secret'>,
  work: (connection: Connection) => Promise<Result>,
  options: ConnectOptions & { readonly signal?: AbortSignal } = {},
): Promise<Result> => {
  options.signal?.throwIfAborted();
  const connection = await connect(address, services, options);
  const drop = (): void => connection.destroy();
  options.signal?.addEventListener('abort', drop, { once: true });
  let result: Result;
  try {
    result = await work(connection);
  } catch (error) {
    connection.destroy();
    options.signal?.throwIfAborted();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', drop);
  }
  await connection.close();
  return result;
};

/** A socket of our own, for reading without an allocation for each read. */
const openTo = (address: MysqlAddress): Socket => {
  const socket = openSocket();
  if (isSocket(address)) return socket.connect(address.host);
  return socket.setNoDelay(true).setKeepAlive(true).connect(address.port, address.host);
};

const login = async (
  address: MysqlAddress,
  password: string | undefined,
  options: ConnectOptions,
  failure: Failure,
  tls = true,
): Promise<mysql.Connection> => {
  const database = options.database === undefined ? address.database : (options.database ?? undefined);
  const ssl = tls ? await tlsOptions(address) : undefined;
  // Loaded when it is first needed: it is a megabyte, and most functions never need it.
  const { default: driver } = await import('mysql2');
  const client = driver.createConnection({
    ...(isSocket(address) ? {} : { host: address.host, port: address.port }),
    stream: () => openTo(address),
    user: address.user,
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    ...(ssl === undefined ? {} : { ssl }),
    // How RDS takes a token; it never goes without TLS.
    ...(address.auth === 'iam' && ssl !== undefined ? { enableCleartextPlugin: true } : {}),
    charset: 'utf8mb4',
    connectTimeout: CONNECT_TIMEOUT_MS,
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    jsonStrings: true,
    // The driver never opens a file: it sends what the query at hand brings along, and refuses when that brings nothing.
    // Without attributes a query is its text alone, as result-stream.ts sends it.
    flags: [options.loads === true ? '+LOCAL_FILES' : '-LOCAL_FILES', '-CLIENT_QUERY_ATTRIBUTES'],
  });
  // A lost connection shows where it is used next; without a listener it would end the process.
  client.on('error', () => {});
  try {
    await new Promise<void>((resolve, reject) => client.connect((error) => (error ? reject(error) : resolve())));
    return client;
  } catch (error) {
    client.destroy();
    const noTls = error instanceof Error && 'code' in error && error.code === 'HANDSHAKE_NO_SSL_SUPPORT';
    if (noTls && ssl !== undefined && modeOf(address) === 'prefer') return login(address, password, options, failure, false);
    throw mapError(error, failure);
  }
};

/** The driver's own; its types leave it out. */
const socketOf = (client: mysql.Connection): Duplex => (client as unknown as { readonly stream: Duplex }).stream;

const ask = (client: mysql.Connection, sql: string | mysql.QueryOptions, failure: Failure): Promise<unknown> =>
  new Promise((resolve, reject) => {
    client.query(sql as mysql.QueryOptions, (error, result) => (error === null ? resolve(result) : reject(mapError(error, failure))));
  });

const affectedBy = (result: unknown): number =>
  typeof result === 'object' && result !== null && 'affectedRows' in result ? Number(result.affectedRows) : 0;

const firstValue = (rows: unknown): unknown => (Array.isArray(rows) ? Object.values(rows[0] ?? {})[0] : undefined);

type Server = Pick<Connection, 'product' | 'version' | 'versionText'>;

const wrap = (client: mysql.Connection, failure: Failure, server: Server): Connection => {
  // The driver forgets whoever waits for an answer when its socket is dropped.
  const waiting = new Set<(error: unknown) => void>();
  const destroy = (): void => {
    client.destroy();
    const lost = new LifeboatError('ConnectionLost', `the connection to ${endpoint(failure.address)} was dropped`);
    for (const reject of waiting) reject(lost);
  };
  const unlessDropped = <Result>(work: Promise<Result>): Promise<Result> =>
    new Promise((resolve, reject) => {
      waiting.add(reject);
      work.then(resolve, reject).finally(() => waiting.delete(reject));
    });
  const send = (sql: string, doing?: string): Promise<unknown> => unlessDropped(ask(client, sql, { ...failure, doing }));
  const query = async (sql: string, doing?: string): Promise<Record<string, unknown>[]> => {
    const result = await send(sql, doing);
    return Array.isArray(result) ? result : [];
  };
  return {
    address: failure.address,
    ...server,
    query,
    run: async (sql, doing) => affectedBy(await send(sql, doing)),
    async load(sql, bytes, doing) {
      const options = { sql, infileStreamFactory: () => Readable.from(bytes, { objectMode: false }) };
      return affectedBy(await unlessDropped(ask(client, options, { ...failure, doing })));
    },
    async rows(schema, sql, doing) {
      return (await query(sql, doing)).map((row) => schema.parse(row));
    },
    raw: (sql, doing) =>
      unlessDropped(ask(client, { sql, rowsAsArray: true, typeCast: false }, { ...failure, doing })) as Promise<RawRow[]>,
    read: (sql, sink, doing) =>
      unlessDropped(
        streamResult(socketOf(client), sql, sink).catch((error: unknown) => {
          throw mapError(error, { ...failure, doing });
        }),
      ),
    close: () =>
      // The work is done and its outcome known: a server that is already gone changes nothing.
      new Promise((resolve) => {
        client.end((error) => {
          if (error) client.destroy();
          resolve();
        });
      }),
    destroy,
  };
};

/** `10.11.19-MariaDB-0+deb12u1`, `5.5.5-10.6.1-MariaDB`, `8.0.36-log`. */
export const parseVersion = (text: string): Server => {
  const product: Product = /mariadb/i.test(text) ? 'MariaDB' : 'MySQL';
  const [versionText = '0'] = /\d+(\.\d+){0,2}/.exec(text.replace(/^5\.5\.5-(?=1\d\.)/, '')) ?? [];
  const [major = 0, minor = 0, patch = 0] = versionText.split('.').map(Number);
  return { product, versionText, version: major * 10_000 + minor * 100 + patch };
};

const modeOf = (address: MysqlAddress) => tlsMode(address, 'prefer', 'verify-full');

const tlsOptions = async (address: MysqlAddress): Promise<mysql.SslOptions | undefined> => {
  const mode = modeOf(address);
  if (mode === 'disable' || isSocket(address)) return undefined;
  const ca = await (trustsRds(address, mode) ? rdsAuthorities() : pem(address.sslrootcert));
  return {
    rejectUnauthorized: mode.startsWith('verify') || (mode === 'require' && ca !== undefined),
    verifyIdentity: mode === 'verify-full',
    ...(ca === undefined ? {} : { ca }),
  };
};

const pem = async (path: string | undefined): Promise<string | undefined> => {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new LifeboatError('ConfigInvalid', `cannot read the certificate file ${path}`, { hint: 'Check sslrootcert.', cause });
  }
};
