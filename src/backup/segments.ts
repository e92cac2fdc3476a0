import { createHash, type Hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { LifeboatError } from '../errors.ts';
import type { SegmentSink, SegmentSource } from '../sources/contract.ts';
import type { Body, Store } from '../stores/store.ts';
import { decode, encode } from './codec.ts';
import { segmentKey } from './layout.ts';
import type { Segment } from './types.ts';

/** Holds the encoded bytes of one segment until its hash, and with it its key, is known. */
export interface Spool {
  append(bytes: Uint8Array): Promise<void>;
  body(): Promise<Body>;
  /** Gives back memory and disk; never fails. */
  discard(): Promise<void>;
}

/** Bytes of one segment in the store; S3 takes 5 TiB, a reader that starts over should not lose more than this. */
const SEGMENT_MAX_BYTES = 64 * 1024 ** 3;

/** Writes segments below `prefix` (a backup's folder, with its slash). */
export const segmentSink = (store: Store, prefix: string, openSpool: () => Spool, signal: AbortSignal): SegmentSink => ({
  async write(ordinal, raw, as) {
    const spool = openSpool();
    try {
      const sha = createHash('sha256');
      let bytes = 0;
      let rawBytes = 0;
      let rawCrc32 = 0;
      const trailerNeedsCrc = as.encoding === 'deflate-raw-flushed';
      const seen = (block: Uint8Array): void => {
        rawBytes += block.length;
        if (trailerNeedsCrc) rawCrc32 = crc32(block, rawCrc32);
      };
      const encoded = encode(raw, as.encoding, seen, as.recycle);
      for await (const chunk of encoded) {
        signal.throwIfAborted();
        sha.update(chunk);
        bytes += chunk.length;
        if (bytes > SEGMENT_MAX_BYTES)
          throw new LifeboatError('SegmentTooLarge', `segment ${ordinal} is larger than ${SEGMENT_MAX_BYTES} bytes`);
        await spool.append(chunk);
      }
      const sha256 = sha.digest('hex');
      const key = segmentKey(ordinal, sha256, as.extension);
      const { created, versionId } = await store.create(prefix + key, await spool.body(), signal);
      if (!created) await sameBytes(store, prefix + key, sha256);
      return {
        key,
        ...(versionId === undefined ? {} : { versionId }),
        ordinal,
        role: as.role ?? 'artifact',
        encoding: as.encoding,
        bytes,
        rawBytes,
        sha256,
        ...(trailerNeedsCrc ? { rawCrc32 } : {}),
        ...(as.context === undefined ? {} : { context: as.context }),
      };
    } finally {
      await spool.discard();
    }
  },
});

/** An earlier attempt wrote this key. Its name holds a part of the hash; the bytes must hold all of it. */
const sameBytes = async (store: Store, key: string, sha256: string): Promise<void> => {
  const sha = createHash('sha256');
  for await (const chunk of store.read(key)) sha.update(chunk);
  if (sha.digest('hex') !== sha256)
    throw new LifeboatError('StoreConflict', `another object lies at ${key}`, {
      hint: 'An object was damaged or replaced in the store; nothing was overwritten. Run "lifeboat verify", then back up again.',
    });
};

/** Reads segments below `prefix`; the last decoded bytes come only after the stored ones proved to be those that were written. */
export const segmentSource = (store: Store, prefix: string): SegmentSource => ({
  async *read(segment) {
    const seen = { sha: createHash('sha256'), bytes: 0 };
    let held: Uint8Array | undefined;
    let rawBytes = 0;
    try {
      for await (const chunk of decode(hashed(store, prefix, segment, seen), segment.encoding)) {
        if (held !== undefined) yield held;
        held = chunk;
        rawBytes += chunk.length;
        if (rawBytes > segment.rawBytes) throw mismatch(segment, `decodes to more than the ${segment.rawBytes} bytes that were written`);
      }
    } catch (error) {
      if (error instanceof LifeboatError && error.code === 'ArtifactInvalid') throw mismatch(segment, error.message, error);
      if (error instanceof LifeboatError && error.code === 'NoSuchObject') throw mismatch(segment, 'is missing from the store', error);
      throw error;
    }
    if (seen.bytes !== segment.bytes) throw mismatch(segment, `has ${seen.bytes} bytes in the store instead of ${segment.bytes}`);
    if (seen.sha.digest('hex') !== segment.sha256) throw mismatch(segment, 'has another sha256 than when it was written');
    if (rawBytes !== segment.rawBytes) throw mismatch(segment, `decodes to ${rawBytes} bytes instead of ${segment.rawBytes}`);
    if (held !== undefined) yield held;
  },
});

async function* hashed(store: Store, prefix: string, segment: Segment, seen: { sha: Hash; bytes: number }): AsyncGenerator<Uint8Array> {
  for await (const chunk of store.read(prefix + segment.key, { versionId: segment.versionId })) {
    seen.sha.update(chunk);
    seen.bytes += chunk.length;
    yield chunk;
  }
}

const mismatch = (segment: Segment, what: string, cause?: unknown): LifeboatError =>
  new LifeboatError('SegmentMismatch', `segment ${segment.key} ${what}`, {
    hint: 'This backup is damaged: restore another one ("lifeboat list"), and find out what changed the store.',
    cause,
  });
