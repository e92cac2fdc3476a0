import { createHash } from 'node:crypto';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK_BYTES, decode, encode } from '../../src/backup/codec.ts';
import type { Encoding } from '../../src/backup/types.ts';
import { cutAt, gather, streamOf } from '../support/bytes.ts';

const ENCODINGS: readonly Encoding[] = ['zstd', 'gzip', 'deflate-raw-flushed', 'identity'];

const encoded = (bytes: Uint8Array, encoding: Encoding, places: readonly number[] = []): Promise<Buffer> =>
  gather(encode(streamOf(...cutAt(bytes, places)), encoding, () => {}));
const decoded = (bytes: Uint8Array, encoding: Encoding, places: readonly number[] = []): Promise<Buffer> =>
  gather(decode(streamOf(...cutAt(bytes, places)), encoding));

const places = fc.array(fc.nat(), { maxLength: 6 });

describe.each(ENCODINGS)('%s', (encoding) => {
  it('gives back what it took, however the stream is cut', () =>
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), places, places, async (bytes, before, after) => {
        expect(await decoded(await encoded(bytes, encoding, before), encoding, after)).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 40 },
    ));

  it('shows every raw byte in order, and gives large blocks back', async () => {
    const bytes = Buffer.alloc(2.5 * BLOCK_BYTES, 'the quick brown fox ');
    const seen = createHash('sha256');
    const given: number[] = [];
    const chunks = [bytes.subarray(0, BLOCK_BYTES), bytes.subarray(BLOCK_BYTES, BLOCK_BYTES + 10), bytes.subarray(BLOCK_BYTES + 10)];
    const stored = await gather(
      encode(
        streamOf(...chunks),
        encoding,
        (block) => seen.update(block),
        (block) => given.push(block.length),
      ),
    );
    expect(seen.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect((await decoded(stored, encoding)).equals(bytes)).toBe(true);
    if (encoding !== 'identity') expect(given.length).toBeGreaterThan(1);
  });

  it('fails with the error of what feeds it', async () => {
    const failing = async function* () {
      yield Buffer.alloc(100);
      throw new Error('the source is gone');
    };
    await expect(gather(encode(failing(), encoding, () => {}))).rejects.toThrow('the source is gone');
    await expect(gather(decode(failing(), encoding))).rejects.toThrow();
  });

  it('ends what feeds it when nobody reads on', async () => {
    let ended = false;
    const endless = async function* () {
      try {
        for (;;) yield Buffer.alloc(BLOCK_BYTES, Math.random().toString());
      } finally {
        ended = true;
      }
    };
    for await (const _ of encode(endless(), encoding, () => {})) break;
    await expect.poll(() => ended).toBe(true);
  });
});

describe.each(['zstd', 'gzip'] as const)('%s', (encoding) => {
  it('of two streams, one after the other, is one stream', async () => {
    const both = Buffer.concat([await encoded(Buffer.from('one, '), encoding), await encoded(Buffer.from('two'), encoding)]);
    expect((await decoded(both, encoding, [3, 17, 40])).toString()).toBe('one, two');
  });

  it('that was cut fails with ArtifactInvalid, wherever it was cut', async () => {
    const bytes = await encoded(Buffer.from('some text that is long enough '.repeat(20)), encoding);
    for (let length = 1; length < bytes.length; length++)
      await expect(decoded(bytes.subarray(0, length), encoding), `cut at ${length}`).rejects.toMatchObject({ code: 'ArtifactInvalid' });
  });

  it('with a flipped bit fails with ArtifactInvalid, or the bit does not matter: it never gives other bytes', async () => {
    const text = Buffer.from('some text that is long enough '.repeat(20));
    const bytes = await encoded(text, encoding);
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
      const result = await decoded(damaged, encoding).catch((error: unknown) => error);
      if (Buffer.isBuffer(result)) expect(result.equals(text), `byte ${at}`).toBe(true);
      else expect(result).toMatchObject({ code: 'ArtifactInvalid' });
    }
  });
});

it('deflate-raw-flushed pieces are one member of gzip, between a header and a trailer', async () => {
  const pieces = [Buffer.from('one, '), Buffer.alloc(0), Buffer.from('two')];
  const raw = Buffer.concat(pieces);
  const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
  const end = Buffer.alloc(10);
  end.writeUInt16LE(0x0003, 0);
  end.writeUInt32LE(zlib.crc32(raw), 2);
  end.writeUInt32LE(raw.length, 6);
  const body = await Promise.all(pieces.map((piece) => encoded(piece, 'deflate-raw-flushed')));
  expect(zlib.gunzipSync(Buffer.concat([header, ...body, end])).toString()).toBe('one, two');
});
