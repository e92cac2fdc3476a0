import zlib from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { zstdFrames } from '../../src/backup/zstd-frames.ts';
import { cutAt, streamOf } from '../support/bytes.ts';

const { ZSTD_c_checksumFlag, ZSTD_c_contentSizeFlag } = zlib.constants;

const skippable = (bytes: Buffer): Buffer => {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a5a, 0);
  head.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([head, bytes]);
};

/** Frames of every kind that a compressor makes: with and without checksum and size, empty, of one repeated byte. */
const frame = fc.oneof(
  fc
    .tuple(fc.uint8Array({ maxLength: 300 }), fc.boolean(), fc.boolean())
    .map(([bytes, checksum, size]) =>
      zlib.zstdCompressSync(bytes, { params: { [ZSTD_c_checksumFlag]: checksum ? 1 : 0, [ZSTD_c_contentSizeFlag]: size ? 1 : 0 } }),
    ),
  fc.nat({ max: 200_000 }).map((length) => zlib.zstdCompressSync(Buffer.alloc(length, 7))),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => skippable(Buffer.from(bytes))),
);

const framesOf = async (bytes: Uint8Array, places: readonly number[]): Promise<Buffer[]> => {
  const frames: Buffer[] = [];
  let open: Uint8Array[] = [];
  for await (const piece of zstdFrames(streamOf(...cutAt(bytes, places)))) {
    open.push(piece.bytes);
    if (!piece.last) continue;
    frames.push(Buffer.concat(open));
    open = [];
  }
  expect(open).toEqual([]);
  return frames;
};

describe('zstdFrames', () => {
  it('cuts frames apart, however the stream is cut', () =>
    fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 8 }), async (frames, places) => {
        expect(await framesOf(Buffer.concat(frames), places)).toEqual(frames.map((each) => Buffer.from(each)));
      }),
      { numRuns: 60 },
    ));

  it('fails with ArtifactInvalid when the last frame is cut, at any byte', () =>
    fc.assert(
      fc.asyncProperty(frame, frame, fc.double({ min: 0.001, max: 0.999, noNaN: true }), async (first, last, share) => {
        const kept = Math.max(1, Math.floor(last.length * share));
        if (kept >= last.length) return;
        await expect(framesOf(Buffer.concat([first, last.subarray(0, kept)]), [])).rejects.toMatchObject({ code: 'ArtifactInvalid' });
      }),
      { numRuns: 60 },
    ));

  it('fails with ArtifactInvalid on what is no frame, and on a block of no known type', async () => {
    await expect(framesOf(Buffer.from('SELECT 1;'), [])).rejects.toMatchObject({ code: 'ArtifactInvalid' });
    const bytes = Buffer.from(zlib.zstdCompressSync(Buffer.from('x')));
    const magic = bytes.subarray(0, 5);
    await expect(framesOf(Buffer.concat([magic, Buffer.alloc(1), Buffer.from([0x07, 0, 0])]), [])).rejects.toMatchObject({
      code: 'ArtifactInvalid',
    });
  });

  it('holds nothing of a frame back', async () => {
    const bytes = zlib.zstdCompressSync(Buffer.alloc(100_000, 'ab'), { params: { [ZSTD_c_checksumFlag]: 1 } });
    const pieces = await Array.fromAsync(zstdFrames(streamOf(...cutAt(bytes, [5, 6, 7]))));
    expect(Buffer.concat(pieces.map((piece) => piece.bytes)).equals(bytes)).toBe(true);
    expect(pieces.filter(({ last }) => last)).toHaveLength(1);
  });
});
