/** A real MariaDB for tests: from PATH, in a folder of its own, on a port of its own. Debian's package is `mariadb-server`. */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import { findProgram, freePort } from './programs.ts';

const run = promisify(execFile);

/** Of `nobody`; the server refuses to run as root. */
const NOBODY = 65534;
const START_TIMEOUT_MS = 60_000;

export interface MariadbServer {
  /** Of user root, with no database. */
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** Why tests with MariaDB cannot run here; undefined when they can. With CI=true a missing server is a failure, not a reason. */
export const mariadbMissing = (): string | undefined => {
  const missing = ['mariadbd', 'mariadb-install-db', 'mariadb'].filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) return undefined;
  const reason = `no ${missing.join(', ')} in PATH (Debian: apt-get install mariadb-server)`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  return reason;
};

/** Nothing here has to survive a power cut. `settings` are lines of my.cnf as options: `--log-bin`. */
export async function startMariadb(settings: readonly string[] = []): Promise<MariadbServer> {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-mariadb-'));
  const asNobody = process.getuid?.() === 0;
  if (asNobody) chownSync(folder, NOBODY, NOBODY);
  const identity = asNobody ? { uid: NOBODY, gid: NOBODY } : {};
  const data = join(folder, 'data');
  // A server that starts removes temporary tables of all others that share its folder for them.
  const env = { ...process.env, TMPDIR: folder };
  await run(
    findProgram('mariadb-install-db') ?? 'mariadb-install-db',
    ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db', '--skip-log-bin'],
    { ...identity, cwd: folder, env },
  );
  const port = await freePort();
  const child = spawn(
    findProgram('mariadbd') ?? 'mariadbd',
    [
      '--no-defaults',
      `--datadir=${data}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      `--socket=${join(folder, 'socket')}`,
      `--pid-file=${join(folder, 'pid')}`,
      '--character-set-server=utf8mb4',
      '--innodb-flush-log-at-trx-commit=0',
      '--innodb-buffer-pool-size=128M',
      '--local-infile=ON',
      ...settings,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], cwd: folder, env, ...identity },
  );
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000);
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = `mysql://root@127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    if (child.exitCode === null) child.kill('SIGKILL');
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await answers(url))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`mariadbd did not start:\n${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { url, port, stop };
}

const answers = async (url: string): Promise<boolean> => {
  try {
    await (await mysql.createConnection(url)).end();
    return true;
  } catch {
    return false;
  }
};

/** Runs statements on a connection of their own; answers the rows of the last one. */
export async function sql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const connection = await mysql.createConnection({
    uri: url,
    multipleStatements: true,
    charset: 'utf8mb4',
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
  });
  try {
    const [rows] = await connection.query(text);
    const last: unknown = Array.isArray(rows) && Array.isArray(rows[rows.length - 1]) ? rows[rows.length - 1] : rows;
    return Array.isArray(last) ? last.filter((row) => row !== null && typeof row === 'object').map((row) => ({ ...row })) : [];
  } finally {
    await connection.end();
  }
}

export interface FreshSchema {
  readonly url: string;
  readonly name: string;
  drop(): Promise<void>;
}

/** An empty database on the server. */
export async function freshSchema(server: Pick<MariadbServer, 'url'>, prefix = 'test'): Promise<FreshSchema> {
  const name = `${prefix}_${randomBytes(5).toString('hex')}`;
  await sql(server.url, `CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  return { url: `${server.url}/${name}`, name, drop: async () => void (await sql(server.url, `DROP DATABASE IF EXISTS ${name}`)) };
}
