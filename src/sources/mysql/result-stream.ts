import type { Duplex } from 'node:stream';
import { LifeboatError } from '../../errors.ts';
import { copyAgain, lend } from '../lending-socket.ts';
import { errorIn, HEADER_BYTES, isEnd, queryPacket } from './packets.ts';
import type { PacketReader } from './transcoder.ts';

/** Takes the rows of a result; after each piece it may let the server wait. */
export interface ResultSink extends PacketReader {
  /** A promise while whoever takes the rows is behind. */
  pressure(): Promise<void> | undefined;
}

/**
 * Sends a query over the socket of an idle connection, past its driver, and hands on the packets of its rows as they come: the driver
 * would make objects of every row and value. Fails with the server's error, with what the sink throws, or when the socket is lost;
 * after that the connection is gone.
 */
export const streamResult = async (socket: Duplex, sql: string, sink: ResultSink): Promise<void> => {
  if (socket.destroyed) throw lost();
  const theirs = socket.listeners('data') as ((data: Buffer) => void)[];
  socket.removeAllListeners('data');
  lend(socket);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const columns = skipColumns();

  const onData = (data: Buffer): void => {
    try {
      const rows = columns.take(data);
      if (rows === undefined) return;
      const end = sink.take(rows);
      if (end !== undefined) {
        const error = errorIn(end);
        if (error === undefined) resolve();
        else reject(error);
        return;
      }
      const wait = sink.pressure();
      if (wait === undefined) return;
      socket.pause();
      wait.then(() => socket.resume(), reject);
    } catch (error) {
      reject(error);
    }
  };
  const onGone = (): void => reject(lost());
  socket.on('data', onData).on('close', onGone).on('error', reject);
  try {
    socket.write(queryPacket(sql));
    return await promise;
  } catch (error) {
    // What the server still sends is of no use.
    socket.destroy();
    throw error;
  } finally {
    copyAgain(socket);
    socket.off('data', onData).off('close', onGone).off('error', reject);
    for (const listener of theirs) socket.on('data', listener);
  }
};

const lost = (): Error => Object.assign(new Error('the connection was closed'), { code: 'PROTOCOL_CONNECTION_LOST' });

/** A result begins with the number of its columns, their descriptions, and an end packet. Answers what comes behind that, once it does. */
const skipColumns = (): { take(data: Buffer): Buffer | undefined } => {
  let held: Buffer | undefined = Buffer.alloc(0);
  let packets = 0;
  return {
    take(data) {
      if (held === undefined) return data;
      // A copy: the bytes are lent.
      held = Buffer.concat([held, data]);
      for (let at = 0; ; packets++) {
        const start = at + HEADER_BYTES;
        const length = at + HEADER_BYTES <= held.length ? held.readUIntLE(at, 3) : 0;
        if (start + length > held.length || held.length < start + 1) {
          held = held.subarray(at);
          return undefined;
        }
        const packet = held.subarray(start, start + length);
        const error = errorIn(packet);
        if (error !== undefined) throw error;
        if (packets === 0 && (packet[0] === 0 || packet[0] === 0xfb))
          throw new LifeboatError('SourceProblem', 'the server answered a SELECT with something else than rows');
        at = start + length;
        if (packets === 0 || !isEnd(packet[0] as number, length)) continue;
        const rest = held.subarray(at);
        held = undefined;
        return rest;
      }
    },
  };
};
