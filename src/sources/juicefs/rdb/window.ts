import { fstatSync, readSync } from 'node:fs';
import { crc64 } from './crc64.ts';
import { damaged } from './damage.ts';

/** Bytes that are read from the file at once. */
const READ_BYTES = 1024 * 1024;
const CHECKSUM_BYTES = 8;

/**
 * A file of which the next bytes are at hand. It is read synchronously: a promise for each byte of a format of bytes would cost more
 * than all the rest. Whoever reads gives the event loop its turns between keys.
 */
export interface Window {
  readonly position: number;
  readonly size: number;
  u8(): number;
  /** A view that stays as it is. `most` bounds what a damaged length can ask for. */
  bytes(length: number, most: number): Buffer;
  skip(length: number): void;
  /** The sum of all bytes but the last eight, once the position is there. */
  checksum(): bigint;
}

/** `file` is a descriptor, which stays open. Fails with ArtifactInvalid wherever the file ends too early. */
export const openWindow = (file: number): Window => {
  const size = fstatSync(file).size;
  const sum = crc64();
  const summed = size - CHECKSUM_BYTES;
  let held: Buffer = Buffer.alloc(0);
  /** Of the first byte of `held` in the file. */
  let start = 0;
  let at = 0;

  /** Keeps what was not used, in a new buffer: views of the old one stay as they are. */
  const fill = (wanted: number): void => {
    const rest = held.length - at;
    if (start + at + wanted > size) throw damaged(`it ends where ${wanted} more bytes belong`, start + at);
    const next = Buffer.allocUnsafeSlow(Math.max(READ_BYTES, wanted));
    held.copy(next, 0, at);
    start += at;
    at = 0;
    let filled = rest;
    while (filled < next.length) {
      const read = readSync(file, next, filled, next.length - filled, start + filled);
      if (read === 0) break;
      const from = start + filled;
      if (from < summed) sum.add(next.subarray(filled, filled + Math.min(read, summed - from)));
      filled += read;
    }
    held = next.subarray(0, filled);
    if (filled < wanted) throw damaged('it became shorter while it was read', start + filled);
  };

  return {
    get position() {
      return start + at;
    },
    size,
    u8() {
      if (at >= held.length) fill(1);
      return held[at++] as number;
    },
    bytes(length, most) {
      if (length > most) throw damaged(`${length} bytes where at most ${most} make sense`, start + at);
      if (at + length > held.length) fill(length);
      const view = held.subarray(at, at + length);
      at += length;
      return view;
    },
    skip(length) {
      let left = length;
      if (start + at + left > size) throw damaged(`it ends where ${left} more bytes belong`, start + at);
      while (left > held.length - at) {
        left -= held.length - at;
        at = held.length;
        fill(1);
      }
      at += left;
    },
    checksum: () => sum.value(),
  };
};
