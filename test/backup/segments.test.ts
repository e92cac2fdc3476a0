import { createHash } from 'node:crypto';
import zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ordinal } from '../../src/backup/ordinal.ts';
import { type Spool, segmentSink, segmentSource } from '../../src/backup/segments.ts';
import type { Encoding, Segment } from '../../src/backup/types.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import { gather, streamOf } from '../support/bytes.ts';
import { type StoreFault, withFaults } from '../support/faults.ts';
import { memorySpool } from '../support/memory-spool.ts';

const signal = new AbortController().signal;
const PREFIX = 'sea/backups/20261121T013000Z-4f2a/';

const write = (store = memoryStore(), text = 'hello, segment\n', encoding: Encoding = 'zstd', openSpool: () => Spool = memorySpool) =>
  segmentSink(store, PREFIX, openSpool, signal).write(ordinal(3, 1), streamOf(text), {
    encoding,
    extension: 'sql.zst',
    context: { table: 't' },
  });

/** Says whether each spool that was opened was given back. */
const countedSpools = () => {
  const open = new Set<Spool>();
  return {
    open,
    openSpool: (): Spool => {
      const spool = memorySpool();
      const counted: Spool = {
        ...spool,
        discard: async () => {
          open.delete(counted);
          await spool.discard();
        },
      };
      open.add(counted);
      return counted;
    },
  };
};

describe('segmentSink', () => {
  it('names a segment by its place and its hash, and tells all about it', async () => {
    const store = memoryStore();
    const segment = await write(store);
    const stored = await gather(store.read(PREFIX + segment.key));
    expect(segment).toEqual({
      key: `segments/000003.0001-${segment.sha256.slice(0, 8)}.sql.zst`,
      ordinal: '000003.0001',
      role: 'artifact',
      encoding: 'zstd',
      bytes: stored.length,
      rawBytes: 15,
      sha256: createHash('sha256').update(stored).digest('hex'),
      context: { table: 't' },
    });
    expect(zlib.zstdDecompressSync(stored).toString()).toBe('hello, segment\n');
  });

  it('notes the crc32 of the raw bytes where a trailer needs it', async () => {
    expect(await write(memoryStore(), 'abc', 'deflate-raw-flushed')).toMatchObject({ rawBytes: 3, rawCrc32: zlib.crc32('abc') });
  });

  it('is content with equal bytes that are there', async () => {
    const store = memoryStore();
    expect(await write(store)).toEqual(await write(store));
  });

  it('fails with StoreConflict at other bytes under its key, and leaves them', async () => {
    const store = memoryStore();
    const { key } = await write();
    await store.create(PREFIX + key, Buffer.from('an object of somebody else'));
    await expect(write(store)).rejects.toMatchObject({ code: 'StoreConflict', message: expect.stringContaining(key) });
    expect((await gather(store.read(PREFIX + key))).toString()).toBe('an object of somebody else');
  });

  it('gives its spool back, whatever happens', async () => {
    const { open, openSpool } = countedSpools();
    await write(memoryStore(), 'a', 'zstd', openSpool);
    const full = withFaults(memoryStore(), [{ on: 'create', fault: { kind: 'fail', code: 'StoreFull' } }]);
    await expect(write(full, 'a', 'zstd', openSpool)).rejects.toMatchObject({ code: 'StoreFull' });
    const failing = (async function* () {
      yield Buffer.from('a');
      throw new Error('the source is gone');
    })();
    const sink = segmentSink(memoryStore(), PREFIX, openSpool, signal);
    await expect(sink.write(ordinal(0, 0), failing, { encoding: 'zstd', extension: 'x' })).rejects.toThrow('the source is gone');
    expect(open.size).toBe(0);
  });

  it('stops when it is told to', async () => {
    const stopped = new AbortController();
    const sink = segmentSink(memoryStore(), PREFIX, memorySpool, stopped.signal);
    stopped.abort(new Error('enough'));
    await expect(sink.write(ordinal(0, 0), streamOf('a'), { encoding: 'identity', extension: 'x' })).rejects.toThrow('enough');
  });
});

describe('segmentSource', () => {
  const readWith = async (encoding: Encoding, fault: StoreFault['fault'] | undefined, change: Partial<Segment> = {}) => {
    const store = memoryStore();
    const segment = await write(store, 'hello '.repeat(1000), encoding);
    await store.create(`${PREFIX}segments/other`, Buffer.from('something else'));
    const faulty = withFaults(store, fault === undefined ? [] : [{ on: 'read', fault }]);
    const chunks: Uint8Array[] = [];
    try {
      for await (const chunk of segmentSource(faulty, PREFIX).read({ ...segment, ...change })) chunks.push(chunk);
    } catch (error) {
      return { error, read: Buffer.concat(chunks) };
    }
    return { error: undefined, read: Buffer.concat(chunks) };
  };

  it.each(['zstd', 'gzip', 'identity', 'deflate-raw-flushed'] as const)('reads %s', async (encoding) => {
    expect(await readWith(encoding, undefined)).toEqual({ error: undefined, read: Buffer.from('hello '.repeat(1000)) });
  });

  const damages: [string, StoreFault['fault'] | undefined, Partial<Segment>][] = [
    ['a flipped bit', { kind: 'flip', at: 11 }, {}],
    ['an object that ends early', { kind: 'short', bytes: 20 }, {}],
    ['an object that is not there', { kind: 'missing' }, {}],
    ['the bytes of another', { kind: 'swap', with: `${PREFIX}segments/other` }, {}],
    ['another hash', undefined, { sha256: '0'.repeat(64) }],
    ['another size', undefined, { bytes: 1 }],
    ['another raw size', undefined, { rawBytes: 5999 }],
    ['a larger raw size', undefined, { rawBytes: 6001 }],
  ];

  it.each((['zstd', 'identity', 'gzip'] as const).flatMap((encoding) => damages.map((damage) => [encoding, ...damage] as const)))(
    'of %s fails with SegmentMismatch on %s, before its last bytes',
    async (encoding, _, fault, change) => {
      const { error, read } = await readWith(encoding, fault, change);
      expect(error).toMatchObject({ code: 'SegmentMismatch', message: expect.stringMatching(/^segment segments\/000003\.0001-/) });
      expect(read.length).toBeLessThan(6000);
    },
  );

  it('passes on that a store is not available: that is no damage', async () => {
    const { error } = await readWith('zstd', { kind: 'fail', code: 'StoreUnavailable' });
    expect(error).toMatchObject({ code: 'StoreUnavailable' });
  });
});
