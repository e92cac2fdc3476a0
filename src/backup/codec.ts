import { Readable, type Transform } from 'node:stream';
import zlib from 'node:zlib';
import { LifeboatError } from '../errors.ts';
import type { Encoding } from './types.ts';
import { zstdFrames } from './zstd-frames.ts';

/** Raw bytes handed to a compressor at once: fewer, larger calls into the thread pool are faster (measured). */
export const BLOCK_BYTES = 4 * 1024 * 1024;

const ZSTD_LEVEL = 1;
const GZIP_LEVEL = 3;
const OUTPUT_CHUNK_BYTES = 1024 * 1024;

/** One for a whole segment: making one for each block costs more than compressing it. */
const compressorOf = (encoding: Exclude<Encoding, 'identity'>): Transform => {
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag, Z_FULL_FLUSH } = zlib.constants;
  switch (encoding) {
    case 'zstd':
      return zlib.createZstdCompress({
        chunkSize: OUTPUT_CHUNK_BYTES,
        params: { [ZSTD_c_compressionLevel]: ZSTD_LEVEL, [ZSTD_c_checksumFlag]: 1 },
      });
    case 'gzip':
      return zlib.createGzip({ level: GZIP_LEVEL, chunkSize: OUTPUT_CHUNK_BYTES });
    case 'deflate-raw-flushed':
      return zlib.createDeflateRaw({ level: GZIP_LEVEL, finishFlush: Z_FULL_FLUSH, chunkSize: OUTPUT_CHUNK_BYTES });
  }
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

/**
 * Encodes a stream so that the results of several calls, put one after the other, are one stream of that encoding. `onBlock` sees
 * the raw bytes in order; `recycle` gets each large block back once its bytes were read for the last time.
 */
export async function* encode(
  raw: AsyncIterable<Uint8Array>,
  encoding: Encoding,
  onBlock: (block: Uint8Array) => void,
  recycle: (block: Uint8Array) => void = () => {},
): AsyncGenerator<Uint8Array> {
  const seen = observe(raw, onBlock);
  if (encoding === 'identity') {
    yield* seen;
    return;
  }
  const compressor = compressorOf(encoding);
  const feeding = feed(compressor, blocks(seen), recycle);
  // Whoever reads the compressor learns of a failure of what feeds it.
  feeding.catch((error: unknown) => compressor.destroy(error instanceof Error ? error : new Error(String(error))));
  try {
    yield* compressor as AsyncIterable<Uint8Array>;
    await feeding;
  } finally {
    compressor.destroy();
    await Promise.allSettled([feeding]);
  }
}

/** Hands over block after block, each once the one before is compressed. */
const feed = async (compressor: Transform, raw: AsyncIterable<Uint8Array>, recycle: (block: Uint8Array) => void): Promise<void> => {
  for await (const block of raw) {
    await new Promise<void>((resolve, reject) => {
      const gone = (): void => reject(new Error('nobody reads the compressed bytes any more'));
      if (compressor.destroyed) return gone();
      compressor.once('close', gone);
      compressor.write(block, (error) => {
        compressor.off('close', gone);
        if (error) reject(error);
        else resolve();
      });
    });
    recycle(block);
  }
  compressor.end();
};

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
