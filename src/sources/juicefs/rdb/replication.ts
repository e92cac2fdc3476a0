import type { FileHandle } from 'node:fs/promises';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { LifeboatError } from '../../../errors.ts';
import type { RedisPlace } from '../engines/redis.ts';

/** While a server prepares its RDB it sends an empty line every ten seconds, as long as it is told. In milliseconds. */
const SILENCE_MAX_MS = 60_000;
/** Longest line of the protocol that makes sense here, in bytes. */
const LINE_MAX_BYTES = 4096;
const MARK_BYTES = 40;

export interface Received {
  /** Of the history that the instant belongs to, and how far in it; a server of old does not say. */
  readonly replId: string | undefined;
  readonly offset: string | undefined;
  readonly bytes: number;
}

export interface ReceiveOptions {
  readonly place: RedisPlace;
  /** Is written from its beginning; stays open. */
  readonly file: FileHandle;
  /** Without a file on the server, once it has waited for more replicas; else it writes one first. */
  readonly diskless: boolean;
  readonly signal: AbortSignal | undefined;
}

/**
 * Asks a server for its RDB as a replica does, and writes it into a file as fast as it comes: a server keeps what a slow replica has
 * not read. Fails with PermissionDenied where replication is not for us, ConnectionLost, LoginFailed.
 */
export const receiveRdb = async ({ place, file, diskless, signal }: ReceiveOptions): Promise<Received> => {
  const at = `${place.host}:${place.port}`;
  const socket = connect(place);
  const incoming = incomingOf(socket, at, signal);
  try {
    if (place.password !== undefined) {
      send(socket, 'AUTH', ...(place.user === undefined ? [] : [place.user]), place.password);
      const answer = await incoming.line();
      if (!answer.startsWith('+'))
        throw new LifeboatError('LoginFailed', `Redis at ${at} refused the login`, { hint: 'Check user and password.' });
    }
    // Both are wishes; a server that does not know one answers with an error and goes on.
    send(socket, 'REPLCONF', 'rdb-only', '1');
    await incoming.line();
    if (diskless) {
      send(socket, 'REPLCONF', 'capa', 'eof');
      await incoming.line();
    }
    send(socket, 'PSYNC', '?', '-1');
    const answer = await incoming.line();
    const [, replId, offset] = /^\+FULLRESYNC (\w+) (-?\d+)/.exec(answer) ?? [];
    if (replId === undefined)
      throw new LifeboatError('PermissionDenied', `Redis at ${at} sends no RDB: ${answer.slice(0, 120)}`, {
        hint: 'Grant +psync, +replconf and +sync, or give an RDB file; read=scan reads the keys one by one.',
      });
    return { replId, offset, bytes: await savePayload(incoming, await incoming.line(), file, at) };
  } finally {
    socket.destroy();
  }
};

const connect = ({ host, port, tls }: RedisPlace): Socket =>
  tls ? connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}) }) : connectPlain(port, host);

const send = (socket: Socket, ...words: readonly string[]): void => {
  socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`);
};

interface Incoming {
  /** The next line that is not empty. */
  line(): Promise<string>;
  /** What comes next; undefined when the server closed. */
  chunk(): Promise<Buffer | undefined>;
}

const incomingOf = (socket: Socket, at: string, signal: AbortSignal | undefined): Incoming => {
  socket.setTimeout(SILENCE_MAX_MS, () => socket.destroy(new Error(`silent for ${SILENCE_MAX_MS / 1000} s`)));
  const abort = (): void => void socket.destroy(new Error('interrupted'));
  signal?.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal?.removeEventListener('abort', abort));
  const iterator = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let held: Buffer = Buffer.alloc(0);
  const next = async (): Promise<Buffer | undefined> => {
    try {
      const { done, value } = await iterator.next();
      return done === true ? undefined : value;
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      signal?.throwIfAborted();
      if (/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH/.test(message))
        throw new LifeboatError('ConnectionRefused', `cannot reach Redis at ${at}`, { hint: 'Check host, port and network.', cause });
      throw new LifeboatError('ConnectionLost', `Redis at ${at} was lost while it sent its RDB: ${message}`, { cause });
    }
  };
  return {
    async line() {
      for (;;) {
        const end = held.indexOf(0x0a);
        if (end >= 0) {
          const line = held.subarray(0, end).toString('latin1').trimEnd();
          held = held.subarray(end + 1);
          if (line !== '') return line;
          continue;
        }
        if (held.length > LINE_MAX_BYTES) throw new LifeboatError('SourceProblem', `${at} does not speak as Redis does`);
        const more = await next();
        if (more === undefined)
          throw new LifeboatError('ConnectionLost', `Redis at ${at} closed the connection before it sent its RDB`, {
            hint: 'Its log says why; it may forbid replication, or lack room for the file.',
          });
        held = Buffer.concat([held, more]);
      }
    },
    async chunk() {
      if (held.length === 0) return next();
      const first = held;
      held = Buffer.alloc(0);
      return first;
    },
  };
};

/** `$<bytes>`, or `$EOF:<mark>`, which then stands behind the last byte. Answers how many bytes were written. */
const savePayload = async (incoming: Incoming, announced: string, file: FileHandle, at: string): Promise<number> => {
  const mark = /^\$EOF:(.{40})$/.exec(announced)?.[1];
  const length = /^\$(\d{1,18})$/.exec(announced)?.[1];
  if (mark === undefined && length === undefined)
    throw new LifeboatError('SourceProblem', `Redis at ${at} sends no RDB: ${announced.slice(0, 120)}`, {
      hint: 'Its log says why.',
    });
  const wanted = length === undefined ? undefined : Number(length);
  const ending = mark === undefined ? undefined : Buffer.from(mark, 'latin1');
  let written = 0;
  let tail: Buffer = Buffer.alloc(0);
  while (wanted === undefined || written < wanted) {
    const chunk = await incoming.chunk();
    if (chunk === undefined)
      throw new LifeboatError('ConnectionLost', `Redis at ${at} closed the connection within its RDB, after ${written} bytes`, {
        hint: 'Its log says why; client-output-buffer-limit for replicas may be too small.',
      });
    const part = wanted === undefined ? chunk : chunk.subarray(0, wanted - written);
    await file.appendFile(part);
    written += part.length;
    if (ending === undefined) continue;
    tail = Buffer.concat([tail, part.subarray(-MARK_BYTES)]).subarray(-MARK_BYTES);
    if (!tail.equals(ending)) continue;
    await file.truncate(written - MARK_BYTES);
    return written - MARK_BYTES;
  }
  return written;
};
