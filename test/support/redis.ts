/** A real Redis or Valkey for tests: from PATH, in a folder of its own, on a port of its own. Debian's package is `redis-server`. */
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram, freePort } from './programs.ts';

const START_TIMEOUT_MS = 15_000;
const PROGRAMS = ['redis-server', 'valkey-server'];

export interface RedisServer {
  readonly port: number;
  /** Sends raw commands (RESP) and waits until the server has answered all of them. */
  load(database: number, resp: Buffer): Promise<void>;
  stop(): Promise<void>;
}

/** Why tests with Redis cannot run here; undefined when they can. With CI=true a missing server is a failure, not a reason. */
export const redisMissing = (): string | undefined => {
  if (findProgram(...PROGRAMS) !== undefined) return undefined;
  const reason = 'no redis-server or valkey-server in PATH (Debian: apt-get install redis-server)';
  if (process.env['CI'] === 'true') throw new Error(reason);
  return reason;
};

const ECHO = 'lifeboat-all-was-read';

/** Sends bytes and an ECHO, and reads until the echo comes back; an error on the way fails. */
const send = (port: number, bytes: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1');
    let seen = '';
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      const text = seen + chunk.toString('latin1');
      const failed = /(^|\r\n)-(\w+ [^\r]*)/.exec(text)?.[2];
      if (failed !== undefined) reject(new Error(failed));
      if (text.includes(`${ECHO}\r\n`)) resolve();
      else seen = text.slice(-200);
      if (failed !== undefined || text.includes(ECHO)) socket.destroy();
    });
    socket.write(bytes);
    socket.write(`*2\r\n$4\r\nECHO\r\n$${ECHO.length}\r\n${ECHO}\r\n`);
  });

/** Nothing here has to survive a power cut. `options` are those of the server: `--cluster-enabled yes`. */
export async function startRedis(options: readonly string[] = []): Promise<RedisServer> {
  const program = findProgram(...PROGRAMS);
  if (program === undefined) throw new Error('redisMissing() says why');
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-redis-'));
  const port = await freePort();
  const child = spawn(
    program,
    [
      ...['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder, '--databases', '256'],
      ...options,
      // Tests do not wait five seconds for replicas that never come.
      ...['--repl-diskless-sync-delay', '0'],
    ],
    { stdio: 'ignore' },
  );
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const ready = await send(port, Buffer.from('')).then(
      () => true,
      () => false,
    );
    if (ready) break;
    if (child.exitCode !== null || Date.now() > deadline) throw new Error('redis-server did not start');
    await sleep(50);
  }
  return {
    port,
    load: (database, resp) =>
      send(port, Buffer.concat([Buffer.from(`*2\r\n$6\r\nSELECT\r\n$${String(database).length}\r\n${database}\r\n`), resp])),
    async stop() {
      if (child.exitCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
