import { MessageChannel, Worker } from 'node:worker_threads';
import { LifeboatError } from '../../../errors.ts';
import type { Connection } from '../connect.ts';
import { mapError, sqlStateOf } from '../errors.ts';
import { replies } from '../replies.ts';
import { PG_DUMP_FILES } from './bundle-files.ts';
import type { WorkerInput, WorkerResult } from './worker-protocol.ts';

/** Definitions of one section, in bytes of SQL; pg_dump holds them in memory. A catalogue of 100 000 objects has about 50 MB. */
export const SECTION_MAX_BYTES = 64 * 1024 * 1024;

/** What the server may answer to pg_dump's queries in all, in bytes. */
const RECEIVED_MAX_BYTES = 512 * 1024 * 1024;

/** How long pg_dump waits for a lock on a table, in milliseconds. */
const LOCK_WAIT_MS = 10_000;

/** SQLSTATE of the statement_timeout by which pg_dump bounds its wait. */
const CANCELLED = '57014';

/** Bundles hold the worker as an entry of its own, see bundle-files.ts. */
const workerFile = (): URL =>
  new URL(import.meta.url.endsWith('.ts') ? './pg-dump-worker.ts' : `./${PG_DUMP_FILES.worker.to}`, import.meta.url);

export interface PgDumpOptions {
  readonly section: 'pre-data' | 'post-data';
  /** Exported by a transaction that lives until this is done. */
  readonly snapshot: string;
  /** Milliseconds until the worker is ended. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/**
 * One section of `pg_dump` over a connection of its own, logged in and outside of a transaction; it can be used for nothing
 * else afterwards. Fails with what the server said, or SourceBusy when the time is over.
 */
export const pgDump = async (connection: Connection, options: PgDumpOptions): Promise<Uint8Array> => {
  if (options.signal.aborted) {
    connection.destroy();
    throw options.signal.reason;
  }
  const { port1, port2 } = new MessageChannel();
  const input: WorkerInput = {
    port: port2,
    flag: new SharedArrayBuffer(4),
    args: argumentsOf(connection, options),
    startup: [...connection.parameters],
  };
  const worker = new Worker(workerFile(), { workerData: input, transferList: [port2], stdout: true, stderr: true });
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const doing = `dumping the ${options.section} definitions`;
  const relay = replies();
  const { stream } = connection;
  const turn = new Int32Array(input.flag);

  const failed = (error: unknown) => {
    if (sqlStateOf(error) === CANCELLED) return reject(locked(doing, error));
    if (error instanceof Error && error.message.includes(options.snapshot)) return reject(exporterLost(doing, error));
    return reject(mapError(error, { address: connection.address, doing }));
  };
  const onData = (bytes: Buffer) => {
    const reply = relay.push(bytes);
    if (relay.received > RECEIVED_MAX_BYTES) return reject(tooLarge(doing, 'answers of the server', RECEIVED_MAX_BYTES));
    if (reply === undefined) return;
    port1.postMessage(reply);
    Atomics.store(turn, 0, 1);
    Atomics.notify(turn, 0);
  };
  const onClose = () => failed(new Error('connection terminated'));
  const timer = setTimeout(() => reject(tooSlow(doing, options.timeout)), options.timeout);
  const onAbort = () => reject(options.signal.reason);

  port1.on('message', (message: Uint8Array | WorkerResult) => {
    if (message instanceof Uint8Array) stream.write(message);
    else if ('text' in message) resolve(message.text);
    else failed(relay.error ?? new Error(message.error.replace(/^.*Error message: /s, '')));
  });
  worker.on('error', failed);
  // Not the worker's exit, which may be known before its last message is.
  port1.once('close', () => failed(relay.error ?? new Error('pg_dump ended without a result')));
  stream.removeAllListeners('data');
  stream.on('data', onData).on('close', onClose).on('error', failed);
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    const text = await promise;
    if (text.length > SECTION_MAX_BYTES) throw tooLarge(doing, 'SQL', SECTION_MAX_BYTES);
    return text;
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', onAbort);
    await worker.terminate();
    port1.close();
    connection.destroy();
  }
};

const argumentsOf = (connection: Connection, { section, snapshot }: PgDumpOptions): string[] => {
  const { user, database } = connection.address;
  // The connection is there already: only the names count, and that no encryption is asked for.
  const conninfo = { host: 'localhost', user, dbname: database, sslmode: 'disable', gssencmode: 'disable' };
  return [
    `--dbname=${Object.entries(conninfo)
      .map(([name, value]) => `${name}='${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`)
      .join(' ')}`,
    `--section=${section}`,
    `--snapshot=${snapshot}`,
    `--lock-wait-timeout=${LOCK_WAIT_MS}`,
    '--encoding=UTF8',
    '--no-subscriptions',
    '--no-statistics',
  ];
};

const tooLarge = (doing: string, what: string, limit: number): LifeboatError =>
  new LifeboatError('SourceProblem', `${doing}: more than ${limit} bytes of ${what}`, {
    hint: 'The catalogue is larger than pg_dump can hold here.',
  });

const locked = (doing: string, cause: unknown): LifeboatError =>
  new LifeboatError('SourceBusy', `${doing}: waited ${LOCK_WAIT_MS / 1000} s for a lock on a table`, {
    hint: 'Another session holds or waits for a lock (a migration, VACUUM FULL); try again when it is done.',
    cause,
  });

/** The exporter is a session of ours, which joined a living instant: another try joins it again. */
const exporterLost = (doing: string, cause: Error): LifeboatError =>
  new LifeboatError('ConnectionLost', `${doing}: the session that exported the snapshot has ended`, {
    hint: 'The server or the network closed the connection.',
    cause,
  });

const tooSlow = (doing: string, timeout: number): LifeboatError =>
  new LifeboatError('SourceBusy', `${doing}: pg_dump did not end within ${Math.round(timeout / 1000)} s`, {
    hint: 'Another session may hold a lock on a table; give the function more time, or start when migrations are over.',
  });
