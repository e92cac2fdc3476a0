import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** What one read of the socket takes at most, in bytes. */
const READ_BYTES = 256 * 1024;

/** Sockets whose reader copies what it keeps. */
const lending = new WeakSet<Duplex>();

/**
 * A socket that reads into one buffer, over and over: no allocation for each read. Its 'data' events hand out copies, until
 * `lend` says that the reader keeps nothing.
 */
export const openSocket = (): Socket => {
  const socket: Socket = new Socket({
    onread: {
      buffer: Buffer.allocUnsafeSlow(READ_BYTES),
      callback: (length, buffer) => {
        const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, length);
        socket.emit('data', lending.has(socket) ? bytes : Buffer.from(bytes));
        return true;
      },
    },
  });
  return socket;
};

/** From now on the bytes of a 'data' event are valid during the event only. Without effect on other sockets. */
export const lend = (stream: Duplex): void => void lending.add(stream);

export const copyAgain = (stream: Duplex): void => void lending.delete(stream);
