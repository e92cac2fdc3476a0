import zlib from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeDetected } from '../../src/backup/detect.ts';
import { cutAt, gather, streamOf } from '../support/bytes.ts';

const packers = { zstd: zlib.zstdCompressSync, gzip: zlib.gzipSync, 'no encoding': (bytes: Uint8Array) => Buffer.from(bytes) };

describe('decodeDetected', () => {
  it.each(Object.entries(packers))('knows %s by its first bytes', (_, pack) =>
    fc.assert(
      fc.asyncProperty(fc.string(), fc.array(fc.nat(), { maxLength: 4 }), async (text, places) => {
        const bytes = Buffer.from(`-- ${text}`);
        expect(await gather(decodeDetected(streamOf(...cutAt(pack(bytes), places))))).toEqual(bytes);
      }),
      { numRuns: 25 },
    ),
  );

  it.each(['', 'a', 'abc'])('takes what is shorter than any magic number as it is: %j', async (text) => {
    expect((await gather(decodeDetected(streamOf(text)))).toString()).toBe(text);
  });

  it('reads no more than it needs to know', async () => {
    let pulled = 0;
    const counting = async function* () {
      for (let n = 0; n < 10; n++) {
        pulled += 1;
        yield Buffer.from('abcdefgh');
      }
    };
    for await (const _ of decodeDetected(counting())) break;
    expect(pulled).toBe(1);
  });
});
