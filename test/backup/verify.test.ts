import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { decode, encode } from '../../src/backup/codec.ts';
import { backupPrefix, restoreGuideKey, segmentKey } from '../../src/backup/layout.ts';
import { ordinal } from '../../src/backup/ordinal.ts';
import type { BackupId, Encoding, Manifest, Segment } from '../../src/backup/types.ts';
import { type VerifyInput, type VerifyPart, verifyBackup } from '../../src/backup/verify.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import type { Store } from '../../src/stores/store.ts';

const ID = '20261120T013000Z-4f2a' as BackupId;
const ROOT = backupPrefix('catalog', ID);
const ENCODINGS: readonly Encoding[] = ['zstd', 'gzip', 'identity', 'deflate-raw-flushed', 'zstd', 'zstd', 'zstd'];

let store: Store;
let manifest: Manifest;

const put = async (encoding: Encoding, index: number): Promise<Segment> => {
  const raw = Buffer.from(`segment ${index} `.repeat(100));
  const stored = Buffer.concat(await Array.fromAsync(encode(Readable.from([raw]), encoding, () => undefined)));
  const sha256 = createHash('sha256').update(stored).digest('hex');
  const place = ordinal(index, 0);
  const key = segmentKey(place, sha256, 'sql');
  await store.create(ROOT + key, stored);
  return { key, ordinal: place, role: 'artifact', encoding, bytes: stored.length, rawBytes: raw.length, sha256, rawCrc32: crc32(raw) };
};

beforeEach(async () => {
  store = memoryStore();
  const segments: Segment[] = [];
  for (const [index, encoding] of ENCODINGS.entries()) segments.push(await put(encoding, index));
  await store.create(restoreGuideKey('catalog', ID), Buffer.from('# Restore\n'));
  // Only what verification reads of a manifest.
  manifest = { backup: ID, source: { name: 'catalog' }, segments } as unknown as Manifest;
});

const verify = (overrides: Partial<VerifyInput> = {}): Promise<VerifyPart> =>
  verifyBackup({
    store,
    manifest,
    decode,
    budget: { remaining: () => Number.POSITIVE_INFINITY, signal: new AbortController().signal },
    ...overrides,
  });

const segment = (index: number): Segment => {
  const found = manifest.segments[index];
  if (found === undefined) throw new Error(`no segment ${index}`);
  return found;
};

const stored = async (index: number): Promise<Buffer> => Buffer.concat(await Array.fromAsync(store.read(ROOT + segment(index).key)));

const overwrite = async (index: number, bytes: Uint8Array): Promise<void> => {
  await store.delete(ROOT + segment(index).key);
  await store.create(ROOT + segment(index).key, bytes);
};

const withSegment = (index: number, change: Partial<Segment>): Manifest => ({
  ...manifest,
  segments: manifest.segments.map((one, at) => (at === index ? { ...one, ...change } : one)),
});

describe('verifyBackup', () => {
  it('finds nothing wrong with a good backup of every encoding, and counts it', async () => {
    const seen: string[] = [];
    const part = await verify({ onSegment: ({ key }, damage) => damage === undefined && seen.push(key) });
    expect(part).toMatchObject({ damages: [], segments: 7, extra: [], extraCount: 0 });
    expect(part.rawBytes).toBe(manifest.segments.reduce((sum, { rawBytes }) => sum + rawBytes, 0));
    expect(part.next).toBeUndefined();
    expect(seen.sort()).toEqual(manifest.segments.map(({ key }) => key).sort());
  });

  it.each(ENCODINGS.slice(0, 4).map((encoding, index) => [encoding, index] as const))(
    'finds any flipped bit of a %s segment',
    async (_, index) => {
      const good = await stored(index);
      await fc.assert(
        fc.asyncProperty(fc.nat(good.length * 8 - 1), async (bit) => {
          const bad = Buffer.from(good);
          bad.writeUInt8(bad.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
          await overwrite(index, bad);
          expect((await verify()).damages).toEqual([
            expect.objectContaining({ kind: 'flipped', key: segment(index).key, ordinal: segment(index).ordinal }),
          ]);
        }),
        { numRuns: 40 },
      );
    },
  );

  it('names a segment that is missing, cut, longer, or another one', async () => {
    const [one, two, four] = [await stored(1), await stored(2), await stored(4)];
    await store.delete(ROOT + segment(0).key);
    await overwrite(1, one.subarray(0, -1));
    await overwrite(2, Buffer.concat([two, Buffer.from('x')]));
    await overwrite(4, await stored(5));
    await overwrite(5, four);
    await overwrite(6, Buffer.alloc(0));
    expect((await verify()).damages.map(({ ordinal: place, kind, message }) => [place, kind, message])).toEqual([
      ['000000.0000', 'missing', 'the object is not in the store'],
      ['000001.0000', 'truncated', `${one.length - 1} bytes of ${one.length}`],
      ['000002.0000', 'grown', `${two.length + 1} bytes, ${two.length} expected`],
      ['000004.0000', 'swapped', 'it holds the bytes of segment 000005.0000'],
      ['000005.0000', 'swapped', 'it holds the bytes of segment 000004.0000'],
      ['000006.0000', 'truncated', `0 bytes of ${segment(6).bytes}`],
    ]);
  });

  it('finds what the stored bytes alone do not show', async () => {
    expect((await verify({ manifest: withSegment(0, { rawBytes: 1 }) })).damages).toMatchObject([{ kind: 'raw-mismatch' }]);
    expect((await verify({ manifest: withSegment(0, { rawCrc32: 1 }) })).damages).toMatchObject([{ kind: 'raw-mismatch' }]);
    expect((await verify({ manifest: withSegment(2, { encoding: 'zstd' }) })).damages).toMatchObject([
      { kind: 'undecodable', ordinal: '000002.0000' },
    ]);
    expect((await verify({ manifest: withSegment(3, { key: segment(0).key }) })).damages).toMatchObject([
      { kind: 'misnamed', ordinal: '000003.0000' },
    ]);
  });

  it('counts objects that no manifest names, and misses RESTORE.md', async () => {
    await store.create(`${ROOT}segments/stray`, Buffer.from('x'));
    await store.delete(restoreGuideKey('catalog', ID));
    expect(await verify()).toMatchObject({ extra: ['segments/stray'], extraCount: 1, damages: [{ kind: 'no-guide', key: 'RESTORE.md' }] });
  });

  it('hands back a cursor when its budget ends, always gets somewhere, and sums up to the whole', async () => {
    await store.delete(ROOT + segment(6).key);
    const parts: VerifyPart[] = [];
    let cursor: string | undefined;
    do {
      const part: VerifyPart = await verify({ cursor, budget: { remaining: () => 0, signal: new AbortController().signal } });
      parts.push(part);
      cursor = part.next;
    } while (cursor !== undefined);
    expect(parts.map(({ segments }) => segments)).toEqual([4, 3]);
    expect(parts.flatMap(({ damages }) => damages)).toMatchObject([{ kind: 'missing', ordinal: '000006.0000' }]);
    await expect(verify({ cursor: '99' })).rejects.toMatchObject({ code: 'Usage' });
  });

  it('does not take a store that cannot be read for damage, and stops when it is told to', async () => {
    const broken: Store = {
      ...store,
      read: () => {
        throw new Error('no route');
      },
    };
    await expect(verify({ store: broken })).rejects.toThrow('no route');
    await expect(verify({ budget: { remaining: () => 1, signal: AbortSignal.abort() } })).rejects.toThrow();
  });
});
