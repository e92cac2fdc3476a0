import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadDigest, sumDigests } from '../../../src/backup/digest.ts';
import { openParser, type Start } from '../../../src/sources/juicefs/format/parse.ts';
import { openStretch } from '../../../src/sources/juicefs/read/document.ts';
import { planStretches, volume } from '../../../src/sources/juicefs/read/plan.ts';
import { entryDigest } from '../../../src/sources/juicefs/read/rows.ts';
import { digestSink, stretchOf } from '../../../src/sources/juicefs/read/segments.ts';
import { headText } from '../../../src/sources/juicefs/read/stream.ts';
import { withReader } from '../../../src/sources/juicefs/reading.ts';
import { asJuicefsWrites, emptyEngine, filledEngine, fixture, loadInto, services } from './harness.ts';

const startOf = (tree: 'FSTree' | 'Trash', from: { readonly open: readonly { readonly inode: string }[] } | null): Start =>
  from === null ? { at: 'fields' } : { at: 'entries', tree, open: from.open.map(({ inode }) => ({ inode: BigInt(inode) })) };

describe('a volume cut into stretches', () => {
  it.each([1, 2, 3, 7, 50, 1000])('of %d names is one document, and each stretch is read alone', async (size) => {
    const address = await filledEngine('sqlite');
    const factory = await loadDigest();
    await withReader(address, services, undefined, async (reader) => {
      const stretches = await Array.fromAsync(planStretches(reader, volume(false), 0n, size));
      const texts: Buffer[] = [Buffer.from(headText(address, await reader.head()))];
      const digests = [];
      let parsed = 0;
      for (const task of stretches) {
        const digest = entryDigest(factory);
        const read = openStretch(reader, stretchOf(task), digestSink(digest, BigInt(task.root), task.tree));
        const pieces: Uint8Array[] = [];
        for (let piece = await read.next(); piece !== undefined; piece = await read.next()) pieces.push(piece);
        const text = Buffer.concat(pieces);
        texts.push(text);
        digests.push(digest.end());
        const parser = openParser(startOf(task.tree, task.from), { field: () => {}, root: () => {}, entry: () => parsed++ });
        parser.push(text);
        parser.end();
      }
      expect(stretches.length).toBeGreaterThanOrEqual(Math.floor(106 / size));
      expect(asJuicefsWrites(Buffer.concat(texts).toString())).toBe(fixture('sqlite.json').toString());
      expect(parsed).toBe(106);
      expect(sumDigests(digests)[0]?.rows).toBe('107');
    });
  });

  it('has the same digest however it is cut', async () => {
    const address = await filledEngine('sqlite');
    const factory = await loadDigest();
    await withReader(address, services, undefined, async (reader) => {
      const digestOf = async (size: number): Promise<string | undefined> => {
        const parts = [];
        for await (const task of planStretches(reader, volume(false), 0n, size)) {
          const digest = entryDigest(factory);
          const read = openStretch(reader, stretchOf(task), digestSink(digest, BigInt(task.root), task.tree));
          while ((await read.next()) !== undefined);
          parts.push(digest.end());
        }
        return sumDigests(parts)[0]?.digest;
      };
      const whole = await digestOf(1000);
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 1, max: 120 }), async (size) => {
          expect(await digestOf(size)).toBe(whole);
        }),
        { numRuns: 10 },
      );
    });
  });

  it('goes on within a directory of more names than one page', async () => {
    const names = Array.from(
      { length: 2500 },
      (_, i) =>
        `"f${String(i).padStart(5, '0')}":{"attr":{"inode":${i + 2},"type":"regular","mode":420,"uid":0,"gid":0,"nlink":1,"length":0}}`,
    );
    const target = await emptyEngine('sqlite');
    await loadInto(
      target,
      `{"Setting":{"Name":"v","UUID":"u","Storage":"file","Bucket":"/b/","BlockSize":4096},"Counters":{"nextInodes":1,"nextChunk":1},"FSTree":{"attr":{"inode":1,"type":"directory","mode":511,"uid":0,"gid":0,"nlink":2,"length":0},"entries":{${names.join(',')}}}}`,
    );
    await withReader(target, services, undefined, async (reader) => {
      const stretches = await Array.fromAsync(planStretches(reader, volume(true), 0n, 700));
      expect(stretches.map(({ entries }) => entries)).toEqual([700, 700, 700, null]);
    });
  });
});
