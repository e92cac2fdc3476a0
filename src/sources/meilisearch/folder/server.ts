import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { redactAll } from '../../../environment/redact.ts';
import { LifeboatError } from '../../../errors.ts';
import type { Budget, Services } from '../../contract.ts';
import { type FolderAddress, type InstanceAddress, MeilisearchAddressSchema } from '../address.ts';
import { type Client, withClient } from '../client.ts';
import { makeBeside, type Place } from './place.ts';
import type { Program } from './program.ts';
import { exists, startWatched, stop } from './watched.ts';

/** A meilisearch program at work on a database, on this machine; another process may look after it. */
export interface Server {
  readonly pid: number;
  readonly port: number;
}

/** Below the range that Linux gives to outgoing connections, above what services use. */
const PORTS = { from: 20_000, to: 32_000 } as const;
const PORT_ATTEMPTS = 20;

/** Between two looks whether the server answers, in milliseconds. */
const READY_POLL_MS = 50;
/** A server without a dump to import that does not answer after this will not, in milliseconds. */
const READY_MAX_MS = 120_000;

const LOG = 'meilisearch.log';
/** Of the end of a log: enough for the reason, and what led to it. */
const LOG_TAIL_BYTES = 8_192;
const REASON_MAX = 500;

/** A key that is good enough for a server in production, for as long as it lives. */
export const newMasterKey = (): string => randomBytes(24).toString('hex');

/** The one of the address where there is one: then API keys can be compared with those of the source. */
export const givenMasterKey = async ({ apiKey, inlineApiKey }: FolderAddress, services: Services): Promise<string | undefined> =>
  inlineApiKey ?? (apiKey === undefined ? undefined : await services.secret(apiKey));

export interface Start {
  readonly place: Place;
  readonly program: Program;
  /** Goes into the environment of the process: arguments are for all to see. */
  readonly masterKey: string;
  readonly importDump?: string;
}

/** Starts the server; with a dump it imports that first, and answers only then. */
export const startServer = async ({ place, program, masterKey, importDump }: Start): Promise<Server> => {
  const port = await freePort();
  await makeBeside(place);
  await mkdir(place.temporary, { recursive: true, mode: 0o700 });
  const pid = await startWatched({
    path: program.path,
    arguments: [
      ...['--db-path', place.database, '--http-addr', `127.0.0.1:${port}`, '--env', 'development', '--no-analytics'],
      ...['--dump-dir', join(place.beside, 'dumps'), '--snapshot-dir', join(place.beside, 'snapshots')],
      ...(importDump === undefined ? [] : ['--import-dump', importDump]),
    ],
    env: { MEILI_MASTER_KEY: masterKey, TMPDIR: place.temporary, HOME: place.beside, NO_COLOR: '1' },
    // A config.toml of the folder from which Lifeboat was started is none of its business.
    cwd: place.beside,
    log: join(place.beside, LOG),
    removed: [place.temporary, importDump ?? join(place.temporary, 'none')],
  });
  return { pid, port };
};

/** True once it answers; false when the budget is spent before. Fails with RestoreFailed, and what its log says, when it ended. */
export const untilReady = async (place: Place, server: Server, secrets: readonly string[], budget: Budget): Promise<boolean> => {
  for (;;) {
    budget.signal.throwIfAborted();
    if (await isHealthy(server)) return true;
    if (!(await exists(server.pid)))
      throw new LifeboatError('RestoreFailed', `meilisearch ended by itself: ${await reasonOf(place, secrets)}`, {
        hint: 'Is there room on the disk, and is the dump whole? `lifeboat verify` says the latter.',
      });
    await sleep(READY_POLL_MS, undefined, { signal: budget.signal });
    if (budget.remaining() <= 0) return false;
  }
};

const isHealthy = async ({ port }: Server): Promise<boolean> => {
  try {
    return (await fetch(`http://127.0.0.1:${port}/health`)).ok;
  } catch {
    return false;
  }
};

export const stopServer = (place: Place, { pid }: Server): Promise<void> => stop(pid, place.database);

/** Runs `use` against a server on the database, which ends with it. */
export const withServer = async <Result>(
  start: Omit<Start, 'importDump'>,
  services: Services,
  budget: Budget,
  use: (client: Client) => Promise<Result>,
): Promise<Result> => {
  const server = await startServer(start);
  try {
    const late = Date.now() + READY_MAX_MS;
    const patience: Budget = { signal: budget.signal, remaining: () => late - Date.now() };
    if (!(await untilReady(start.place, server, [start.masterKey], patience)))
      throw new LifeboatError('TargetProblem', `meilisearch did not answer within ${READY_MAX_MS / 1000} s`, {
        hint: 'Is the machine very busy?',
      });
    return await withClient(instanceOf(server, start.masterKey), services, budget.signal, use);
  } finally {
    await stopServer(start.place, server);
  }
};

export const instanceOf = ({ port }: Server, masterKey: string): InstanceAddress => {
  const url = `http://127.0.0.1:${port}`;
  return { ...MeilisearchAddressSchema.parse({ url, inlineApiKey: masterKey }), url };
};

const freePort = async (): Promise<number> => {
  for (let attempt = 1; attempt <= PORT_ATTEMPTS; attempt++) {
    const port = randomInt(PORTS.from, PORTS.to);
    if (await isFree(port)) return port;
  }
  throw new LifeboatError('ServerFailed', `found no free port between ${PORTS.from} and ${PORTS.to}`);
};

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');

/** The last errors of the log, without secrets. */
const reasonOf = async ({ beside }: Place, secrets: readonly string[]): Promise<string> => {
  const file = await open(join(beside, LOG));
  try {
    const { size } = await file.stat();
    const bytes = Math.min(size, LOG_TAIL_BYTES);
    const { buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, size - bytes);
    const lines = buffer
      .toString('utf8')
      .replace(COLOURS, '')
      .split('\n')
      .filter((line) => line.trim() !== '');
    const said = lines.filter((line) => /^Error: /.test(line));
    const reason = (said.length > 0 ? said : lines.slice(-3)).join(' ').replace(/^Error: /, '');
    return redactAll(reason, secrets).slice(0, REASON_MAX) || 'it said nothing';
  } finally {
    await file.close();
  }
};
