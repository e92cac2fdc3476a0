import { decode } from './codec.ts';
import type { Encoding } from './types.ts';

/** Longest magic number that is looked for, in bytes. */
const MAGIC_BYTES = 4;

const encodingOf = (head: Buffer): Encoding => {
  if (head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528) return 'zstd';
  if (head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  return 'identity';
};

/** Decodes a file or pipe by its first bytes: zstd, gzip, or as it is. */
export async function* decodeDetected(stored: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks = stored[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  let ended = false;
  while (head.length < MAGIC_BYTES && !ended) {
    const next = await chunks.next();
    ended = next.done === true;
    if (next.done !== true) head = Buffer.concat([head, next.value]);
  }
  yield* decode(
    (async function* () {
      yield head;
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
    })(),
    encodingOf(head),
  );
}
