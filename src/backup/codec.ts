import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { LifeboatError } from '../errors.ts';
import type { Encoding } from './types.ts';
import { zstdFrames } from './zstd-frames.ts';

/** Raw bytes of one zstd frame: large enough that compression is as fast as one long frame (measured), small enough to hold a few. */
export const BLOCK_BYTES = 4 * 1024 * 1024;

/** Blocks compressed at the same time by one writer; the thread pool has four threads. */
const BLOCKS_IN_FLIGHT = 3;

const ZSTD_LEVEL = 1;
const GZIP_LEVEL = 3;
const OUTPUT_CHUNK_BYTES = 1024 * 1024;

const zstdCompress = promisify(zlib.zstdCompress);
const gzip = promisify(zlib.gzip);

type CompressBlock = (block: Uint8Array) => Promise<Uint8Array>;

const blockCompressors: Readonly<Record<Exclude<Encoding, 'deflate-raw-flushed'>, CompressBlock>> = {
  zstd: (block) =>
    zstdCompress(block, { params: { [zlib.constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL, [zlib.constants.ZSTD_c_checksumFlag]: 1 } }),
  gzip: (block) => gzip(block, { level: GZIP_LEVEL }),
  identity: async (block) => block,
};

/** Gathers bytes into blocks of BLOCK_BYTES; a chunk that is as large already goes through without a copy. */
export async function* blocks(raw: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let block = Buffer.alloc(0);
  let used = 0;
  for await (let chunk of raw) {
    if (used === 0 && chunk.length >= BLOCK_BYTES / 2 && chunk.length <= BLOCK_BYTES) {
      yield chunk;
      continue;
    }
    while (chunk.length > 0) {
      if (block.length === 0) block = Buffer.allocUnsafe(BLOCK_BYTES);
      const taken = Math.min(chunk.length, BLOCK_BYTES - used);
      block.set(chunk.subarray(0, taken), used);
      used += taken;
      chunk = chunk.subarray(taken);
      if (used === BLOCK_BYTES) {
        yield block;
        block = Buffer.alloc(0);
        used = 0;
      }
    }
  }
  if (used > 0) yield block.subarray(0, used);
}

async function* deflateFlushed(raw: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const deflate = zlib.createDeflateRaw({ level: GZIP_LEVEL, finishFlush: zlib.constants.Z_FULL_FLUSH, chunkSize: OUTPUT_CHUNK_BYTES });
  yield* Readable.from(raw).pipe(deflate) as AsyncIterable<Uint8Array>;
}

/**
 * Encodes a stream so that the results of several calls, put one after the other, are one stream of that encoding. `onBlock` sees
 * the raw bytes in order.
 */
export async function* encode(
  raw: AsyncIterable<Uint8Array>,
  encoding: Encoding,
  onBlock: (block: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  const seen = observe(raw, onBlock);
  if (encoding === 'deflate-raw-flushed') {
    yield* deflateFlushed(seen);
    return;
  }
  const compress = blockCompressors[encoding];
  const inFlight: Promise<Uint8Array>[] = [];
  try {
    for await (const block of encoding === 'identity' ? seen : blocks(seen)) {
      inFlight.push(compress(block));
      if (inFlight.length >= BLOCKS_IN_FLIGHT) yield await (inFlight.shift() as Promise<Uint8Array>);
    }
    while (inFlight.length > 0) yield await (inFlight.shift() as Promise<Uint8Array>);
  } finally {
    await Promise.allSettled(inFlight);
  }
}

async function* observe(raw: AsyncIterable<Uint8Array>, see: (bytes: Uint8Array) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of raw) {
    see(chunk);
    yield chunk;
  }
}

/** Decodes what `encode` made, or what any tool of that format made. Fails with ArtifactInvalid on bytes that are not of it. */
export async function* decode(stored: AsyncIterable<Uint8Array>, encoding: Encoding): AsyncGenerator<Uint8Array> {
  switch (encoding) {
    case 'identity':
      yield* stored;
      return;
    case 'zstd':
      yield* decodeZstd(stored);
      return;
    case 'gzip':
      yield* inflate(stored, zlib.createGunzip({ chunkSize: OUTPUT_CHUNK_BYTES }));
      return;
    case 'deflate-raw-flushed':
      yield* inflate(stored, zlib.createInflateRaw({ chunkSize: OUTPUT_CHUNK_BYTES, finishFlush: zlib.constants.Z_SYNC_FLUSH }));
      return;
  }
}

async function* inflate(stored: AsyncIterable<Uint8Array>, stream: zlib.Gunzip | zlib.InflateRaw): AsyncGenerator<Uint8Array> {
  const input = Readable.from(stored, { objectMode: false, highWaterMark: OUTPUT_CHUNK_BYTES });
  input.on('error', (error) => stream.destroy(error));
  try {
    yield* input.pipe(stream) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw asArtifactInvalid(error);
  } finally {
    input.destroy();
  }
}

async function* decodeZstd(stored: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const pieces = zstdFrames(stored)[Symbol.asyncIterator]();
  try {
    for (let first = await pieces.next(); !first.done; first = await pieces.next()) {
      const decompress = zlib.createZstdDecompress({ chunkSize: OUTPUT_CHUNK_BYTES });
      const input = Readable.from(oneFrame(first.value, pieces), { objectMode: false, highWaterMark: OUTPUT_CHUNK_BYTES });
      input.on('error', (error) => decompress.destroy(error));
      try {
        yield* input.pipe(decompress) as AsyncIterable<Uint8Array>;
      } finally {
        input.destroy();
      }
    }
  } catch (error) {
    throw asArtifactInvalid(error);
  } finally {
    await pieces.return?.(undefined);
  }
}

type Pieces = ReturnType<typeof zstdFrames>;
type Piece = Pieces extends AsyncGenerator<infer P> ? P : never;

async function* oneFrame(first: Piece, pieces: AsyncIterator<Piece>): AsyncGenerator<Uint8Array> {
  let piece = first;
  for (;;) {
    yield piece.bytes;
    if (piece.last) return;
    const next = await pieces.next();
    if (next.done) return;
    piece = next.value;
  }
}

const ZLIB_ERROR_CODE = /^(Z_|ZSTD_|ERR_ZLIB)/;

const asArtifactInvalid = (error: unknown): unknown =>
  error instanceof Error && 'code' in error && ZLIB_ERROR_CODE.test(String(error.code))
    ? new LifeboatError('ArtifactInvalid', `the compressed bytes are damaged: ${error.message}`, { cause: error })
    : error;
