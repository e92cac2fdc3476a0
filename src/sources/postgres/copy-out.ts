import { copyAgain, lend } from '../lending-socket.ts';
import type { Connection } from './connect.ts';
import { mapError } from './errors.ts';
import { serverError } from './replies.ts';

/** Receives the rows of a COPY … TO STDOUT in text format. */
export interface RowSink {
  /**
   * One row without its newline: `bytes[start, end)`; its newline is `bytes[end]`. Valid during the call only, but for a row
   * of LONG_ROW_BYTES or more: that one has a buffer of its own.
   */
  row(bytes: Buffer, start: number, end: number): void;
  /** After each batch of rows. A promise pauses the socket; `'stop'` ends the COPY (and the connection) here. */
  batch?(): Promise<void> | 'stop' | undefined;
}

export interface CopyResult {
  readonly rows: number;
  /** False after `'stop'`: the connection is gone, and rows are left. */
  readonly complete: boolean;
}

/** A longer row is given away with its buffer; shorter ones that span reads are put together in one that is used again. */
export const LONG_ROW_BYTES = 1024 * 1024;

const MESSAGE = { copyData: 0x64, error: 0x45, ready: 0x5a } as const;
const HEADER = 5;

/**
 * Runs a COPY … TO STDOUT and reads it from the raw socket: in text format one CopyData message is one row. A row is
 * copied only when it spans reads; memory is the longest row, whatever the size of the table.
 * `doing` goes into the message when it fails: `reading table public.t`.
 */
export const copyOut = async (
  connection: Connection,
  sql: string,
  sink: RowSink,
  doing: string,
  signal?: AbortSignal,
): Promise<CopyResult> => {
  const { stream } = connection;
  const failure = { address: connection.address, doing };
  if (stream.destroyed) throw mapError(new Error('connection terminated'), failure);
  signal?.throwIfAborted();
  const theirs = stream.listeners('data') as ((data: Buffer) => void)[];
  stream.removeAllListeners('data');
  lend(stream);
  const { promise, resolve, reject } = Promise.withResolvers<CopyResult>();
  const frames = framer(sink);

  /** The sink or the caller gave up: their error goes out as it is. */
  const fail = (error: unknown) => {
    stream.destroy();
    reject(error);
  };
  const failed = (error: Error) => reject(mapError(frames.error ?? error, failure));
  const onData = (data: Buffer) => {
    try {
      frames.push(data);
      if (frames.ready) return frames.error === undefined ? resolve({ rows: frames.rows, complete: true }) : failed(frames.error);
      const wait = sink.batch?.();
      if (wait === 'stop') {
        stream.destroy();
        resolve({ rows: frames.rows, complete: false });
      } else if (wait !== undefined) {
        stream.pause();
        wait.then(() => stream.resume(), fail);
      }
    } catch (error) {
      fail(error);
    }
  };
  const onClose = () => failed(new Error('connection terminated'));
  const onAbort = () => fail(signal?.reason);

  stream.on('data', onData).on('close', onClose).on('error', failed);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    stream.write(queryMessage(sql));
    return await promise;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    stream.off('data', onData).off('close', onClose).off('error', failed);
    copyAgain(stream);
    for (const listener of theirs) stream.on('data', listener);
  }
};

interface Framer {
  push(data: Buffer): void;
  readonly rows: number;
  readonly ready: boolean;
  readonly error: Error | undefined;
}

const framer = (sink: RowSink): Framer => {
  let rows = 0;
  let ready = false;
  let error: Error | undefined;
  /** A message that is not whole yet: a buffer of its full length, and how much of it is there. */
  let partial: Buffer | undefined;
  let filled = 0;
  let spare: Buffer | undefined;
  /** A header that is not whole yet. */
  let head: Buffer | undefined;

  const message = (bytes: Buffer, start: number, end: number) => {
    const type = bytes[start];
    if (type === MESSAGE.copyData) {
      rows++;
      sink.row(bytes, start + HEADER, end - 1);
    } else if (type === MESSAGE.ready) ready = true;
    else if (type === MESSAGE.error) error ??= serverError(bytes.subarray(start + HEADER, end));
  };

  const bufferOf = (length: number): Buffer => {
    if (length >= LONG_ROW_BYTES) return Buffer.allocUnsafeSlow(length);
    spare ??= Buffer.allocUnsafeSlow(LONG_ROW_BYTES);
    return spare.subarray(0, length);
  };

  /** Goes on with the message that an earlier read began; answers where the next one begins. */
  const continued = (whole: Buffer, data: Buffer): number => {
    const copied = data.copy(whole, filled, 0, whole.length - filled);
    filled += copied;
    if (filled === whole.length) {
      partial = undefined;
      message(whole, 0, whole.length);
    }
    return copied;
  };

  return {
    push(incoming) {
      let data = incoming;
      if (head !== undefined) {
        data = Buffer.concat([head, incoming]);
        head = undefined;
      }
      let at = partial === undefined ? 0 : continued(partial, data);
      while (at + HEADER <= data.length) {
        const length = 1 + data.readUInt32BE(at + 1);
        if (at + length > data.length) {
          partial = bufferOf(length);
          filled = data.copy(partial, 0, at);
          return;
        }
        message(data, at, at + length);
        at += length;
      }
      // A copy: the bytes may be lent.
      if (at < data.length) head = Buffer.from(data.subarray(at));
    },
    get rows() {
      return rows;
    },
    get ready() {
      return ready;
    },
    get error() {
      return error;
    },
  };
};

const queryMessage = (sql: string): Buffer => {
  const text = Buffer.from(`${sql}\0`);
  const message = Buffer.allocUnsafe(HEADER + text.length);
  message.write('Q', 0, 'latin1');
  message.writeUInt32BE(4 + text.length, 1);
  text.copy(message, HEADER);
  return message;
};
