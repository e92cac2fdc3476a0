/** A real PostgreSQL server on this machine, from the binaries that npm ships: for the first voyage, drills and tests. */
import { randomInt } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, DatabaseError, escapeIdentifier } from 'pg';
import { isLifeboatError, LifeboatError } from '../errors.ts';
import { foreignBinaries, postgresBinaries } from './postgres-binaries.ts';
import { dataFolder, initialise } from './postgres-data.ts';
import { type WatchedProcess, watched } from './postgres-watcher.ts';
import { unprivilegedUser } from './system-user.ts';

export interface PostgresServerOptions {
  /** Kept between runs; absent: a throw-away folder, removed when the server ends. */
  readonly dataDir?: string;
  /** Absent: a free one. */
  readonly port?: number;
  /** Server settings, such as `{ fsync: 'off' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Of the user `postgres`, set when the cluster is made. Absent: whoever can reach 127.0.0.1 may log in. */
  readonly password?: string;
  /** Folder of another PostgreSQL's programs, in place of those from npm. */
  readonly bin?: string;
}

export interface PostgresServer {
  /** Of the user `postgres` on the database `postgres`. */
  readonly url: string;
  readonly port: number;
  /** The postmaster's. */
  readonly pid: number;
  /** Disconnects all sessions and waits until the server and its processes are gone. */
  stop(): Promise<void>;
  /** As a crash would: no checkpoint, recovery at the next start. Waits for the end as well. */
  kill(): Promise<void>;
}

/** Starting is 0.1 s; recovery after a crash may take a while. */
const START_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 10;
/** Below the range that Linux gives to outgoing connections (32768 on), above what services use. */
const PORTS = { from: 20_000, to: 32_000 } as const;
/** Attempts to find a free port: with a hundred servers on the machine, all fail once in 10^20. */
const PORT_ATTEMPTS = 10;
/** SQLSTATE of CREATE DATABASE for a name that is there. */
const DUPLICATE_DATABASE = '42P04';
const LOG_FILE = 'lifeboat-server.log';
const LINES = { pid: 0, status: 7 } as const;

/** Starts a server, making its cluster first if need be. @throws Unsupported, ServerFailed with the end of the server's log */
export async function startPostgresServer(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? randomInt(PORTS.from, PORTS.to);
    try {
      return await startOn(port, options);
    } catch (error) {
      const another = isPortTaken(error) && options.port === undefined && attempt < PORT_ATTEMPTS;
      if (!another) throw error;
    }
  }
}

/** Makes the database unless it is there. @param url of any database of the server; @returns the new one's */
export async function createDatabase(url: string, name: string): Promise<string> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${escapeIdentifier(name)}`);
  } catch (error) {
    if (!(error instanceof DatabaseError && error.code === DUPLICATE_DATABASE)) throw error;
  } finally {
    await client.end();
  }
  const made = new URL(url);
  made.pathname = `/${encodeURIComponent(name)}`;
  return made.href;
}

async function startOn(port: number, options: PostgresServerOptions): Promise<PostgresServer> {
  const user = unprivilegedUser();
  const binaries = options.bin === undefined ? await postgresBinaries(user) : await foreignBinaries(options.bin);
  const data = await dataFolder(options.dataDir, user);
  try {
    await initialise(binaries, data.path, user, options.password);
  } catch (error) {
    if (data.temporary) await rm(data.path, { recursive: true, force: true });
    throw error;
  }

  const logFile = join(data.path, LOG_FILE);
  const server = await watched(binaries.postgres, serverArguments(data.path, port, options.settings ?? {}), {
    user,
    logFile,
    ...(data.temporary ? { removeAtEnd: data.path } : {}),
  });
  await untilReady(server, data.path);
  return {
    url: urlOf(port, options.password),
    port,
    pid: server.pid,
    stop: () => server.end('SIGINT'),
    kill: () => server.end('SIGQUIT'),
  };
}

/** No Unix socket: its path may have 107 bytes only, and a folder for it would be one more thing to leave behind. */
const serverArguments = (path: string, port: number, settings: Readonly<Record<string, string>>): readonly string[] => [
  '-D',
  path,
  '-p',
  String(port),
  ...Object.entries({ listen_addresses: '127.0.0.1', unix_socket_directories: '', ...settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]),
];

async function untilReady(server: WatchedProcess, path: string): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await isReady(server.pid, path))) {
    if (server.hasEnded()) throw failure('ended while it started', server);
    if (Date.now() > deadline) {
      await server.end('SIGQUIT');
      throw failure(`was not ready after ${START_TIMEOUT_MS / 1000} s`, server);
    }
    await sleep(READY_POLL_MS);
  }
}

/** As pg_ctl does: the postmaster writes its state into its pid file. */
async function isReady(pid: number, path: string): Promise<boolean> {
  const lines = (await pidFileOf(path)).split('\n');
  return lines[LINES.pid] === String(pid) && lines[LINES.status]?.trim() === 'ready';
}

async function pidFileOf(path: string): Promise<string> {
  try {
    return await readFile(join(path, 'postmaster.pid'), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

const failure = (what: string, server: WatchedProcess): LifeboatError =>
  new LifeboatError('ServerFailed', `the embedded PostgreSQL ${what}; its log ends with:\n${server.logTail()}`, {
    hint: 'The log names the reason: a taken port, a folder in use by another server, a wrong setting, a full disk.',
  });

const isPortTaken = (error: unknown): boolean => isLifeboatError(error, 'ServerFailed') && error.message.includes('Address already in use');

function urlOf(port: number, password: string | undefined): string {
  const url = new URL(`postgres://postgres@127.0.0.1:${port}/postgres`);
  if (password !== undefined) url.password = encodeURIComponent(password);
  return url.href;
}
