import { Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import { invalid } from './invalid.ts';

const OUTPUT_CHUNK_BYTES = 1024 * 1024;
const TRAILER_BYTES = 8;
/** Longest gzip header: ten bytes, and a name or a comment that a tool put there. */
const HEADER_MAX = 64 * 1024;
/** A dump that unpacks to more than this many bytes … */
const BOMB_BYTES = 256 * 1024 * 1024;
/** … and to this many times its size is no dump: JSON of very equal documents shrinks to a two hundredth. */
const BOMB_RATIO = 600;

/**
 * Decodes the one gzip member of a dump and checks what Meilisearch does not: checksum, length, and that nothing follows it, since
 * Meilisearch reads one member alone. Fails with ArtifactInvalid.
 */
export async function* readGzip(stored: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const state = { storedBytes: 0, tail: Buffer.alloc(0), headerBytes: 0 };
  const inflate = createInflateRaw({ chunkSize: OUTPUT_CHUNK_BYTES });
  const input = Readable.from(withoutHeader(stored, state), { objectMode: false, highWaterMark: OUTPUT_CHUNK_BYTES });
  input.on('error', (error) => inflate.destroy(error));
  const sum = { crc: 0, bytes: 0 };
  try {
    for await (const chunk of input.pipe(inflate) as AsyncIterable<Buffer>) {
      sum.crc = crc32(chunk, sum.crc);
      sum.bytes += chunk.length;
      if (sum.bytes > BOMB_BYTES && sum.bytes > state.storedBytes * BOMB_RATIO)
        throw invalid(`the file unpacks to more than ${BOMB_RATIO} times its size`, 'This is a decompression bomb, not a dump.');
      yield chunk;
    }
  } catch (error) {
    throw asInvalid(error);
  } finally {
    input.destroy();
  }
  // What follows the member may not have been read.
  checkTrailer(state, inflate.bytesWritten, sum);
}

interface Seen {
  storedBytes: number;
  tail: Buffer;
  headerBytes: number;
}

const checkTrailer = (seen: Seen, deflated: number, sum: { readonly crc: number; readonly bytes: number }): void => {
  const rest = seen.storedBytes - seen.headerBytes - deflated;
  if (rest < TRAILER_BYTES) throw invalid('the gzip file is cut: its checksum is missing');
  if (rest > TRAILER_BYTES)
    throw invalid('something follows the first gzip member', 'Meilisearch reads a single member: compress the archive in one go.');
  if (seen.tail.readUInt32LE(0) !== sum.crc) throw invalid('the gzip checksum does not fit the content');
  if (seen.tail.readUInt32LE(4) !== sum.bytes % 2 ** 32) throw invalid('the gzip length does not fit the content');
};

async function* withoutHeader(stored: AsyncIterable<Uint8Array>, seen: Seen): AsyncGenerator<Uint8Array> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of stored) {
    seen.storedBytes += chunk.length;
    const recent: Buffer = chunk.length >= TRAILER_BYTES ? Buffer.from(chunk) : Buffer.concat([seen.tail, chunk]);
    seen.tail = recent.subarray(-TRAILER_BYTES);
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const length = headerLength(head);
    if (length === undefined) {
      if (head.length > HEADER_MAX) throw invalid('the gzip header is too long');
      continue;
    }
    seen.headerBytes = length;
    yield head.subarray(length);
    head = undefined;
  }
  if (head !== undefined) throw invalid(head.length === 0 ? 'the file is empty' : 'the file is no gzip file, or cut within its header');
}

const [FLAG_CRC, FLAG_EXTRA, FLAG_NAME, FLAG_COMMENT] = [2, 4, 8, 16];

/** Undefined while the header is not complete. */
const headerLength = (head: Buffer): number | undefined => {
  if (head.length >= 2 && (head[0] !== 0x1f || head[1] !== 0x8b)) throw invalid('the file is no gzip file');
  if (head.length < 10) return undefined;
  if (head[2] !== 8) throw invalid('the gzip file has an unknown compression');
  const flags = head[3] ?? 0;
  let at: number | undefined = 10;
  if ((flags & FLAG_EXTRA) !== 0) at = head.length < 12 ? undefined : 12 + head.readUInt16LE(10);
  for (const flag of [FLAG_NAME, FLAG_COMMENT]) {
    if ((flags & flag) === 0 || at === undefined) continue;
    const end = head.indexOf(0, at);
    at = end === -1 ? undefined : end + 1;
  }
  if (at !== undefined && (flags & FLAG_CRC) !== 0) at += 2;
  return at === undefined || at > head.length ? undefined : at;
};

const asInvalid = (error: unknown): unknown =>
  error instanceof Error && 'code' in error && /^(Z_|ERR_ZLIB)/.test(String(error.code))
    ? invalid(`the compressed bytes are damaged: ${error.message}`, undefined, error)
    : error;
