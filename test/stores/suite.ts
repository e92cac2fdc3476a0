import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isLifeboatError } from '../../src/errors.ts';
import { KEY_MAX_BYTES, type ReadOptions, type Store } from '../../src/stores/store.ts';

/** More than one part of a multipart upload, and not a round number. */
const LARGE_BYTES = 17 * 1024 * 1024 + 12_345;

export const bytes = (text: string): Uint8Array => Buffer.from(text);

export const readWhole = async (store: Store, key: string, options?: ReadOptions): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.read(key, options)) chunks.push(chunk);
  return Buffer.concat(chunks);
};

export const keysOf = async (store: Store, prefix = '', after?: string): Promise<string[]> => {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix, after === undefined ? {} : { after })) keys.push(key);
  return keys;
};

export const codeOf = async (work: () => Promise<unknown>): Promise<string> => {
  try {
    await work();
    return 'none';
  } catch (error) {
    return isLifeboatError(error) ? error.code : String(error);
  }
};

/** Bytes that are the same each time and compress to nothing less. */
export const noise = (length: number, seed = 1): Buffer => {
  const buffer = Buffer.allocUnsafe(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i + 4 <= length; i += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    buffer.writeUInt32LE(state >>> 0, i);
  }
  for (let i = length - (length % 4); i < length; i++) buffer[i] = i & 255;
  return buffer;
};

/** A body that is streamed in pieces of odd sizes, as from a file; counts how many streams were opened. */
export const streamed = (
  content: Buffer,
): { readonly bytes: number; readonly opened: () => number; open(start: number, end: number): AsyncIterable<Uint8Array> } => {
  let opened = 0;
  return {
    bytes: content.length,
    opened: () => opened,
    async *open(start, end) {
      opened += 1;
      for (let at = start; at < end; at += 333_333) yield content.subarray(at, Math.min(end, at + 333_333));
    },
  };
};

const sha = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

/** What every store must do. `make` gives an empty store that shares nothing with the others. */
export const testStore = (make: () => Promise<Store>): void => {
  describe('create', () => {
    it('stores an object and reads it back', async () => {
      const store = await make();
      expect(await store.create('catalog/backups/x/manifest.json', bytes('{"a":1}'))).toMatchObject({ created: true });
      expect((await readWhole(store, 'catalog/backups/x/manifest.json')).toString()).toBe('{"a":1}');
    });

    it('leaves an object that is there alone', async () => {
      const store = await make();
      await store.create('a', bytes('first'));
      const before = await store.head('a');
      expect(await store.create('a', bytes('second'))).toMatchObject({ created: false });
      expect((await readWhole(store, 'a')).toString()).toBe('first');
      expect(await store.head('a')).toEqual(before);
    });

    it('lets one of many at once win', async () => {
      const store = await make();
      const tries = Array.from({ length: 8 }, (_, n) => store.create('race/one', bytes(`writer ${n}`)));
      const results = await Promise.all(tries);
      const winners = results.flatMap(({ created }, n) => (created ? [n] : []));
      expect(winners).toHaveLength(1);
      expect((await readWhole(store, 'race/one')).toString()).toBe(`writer ${winners[0]}`);
    });

    it('stores an empty object', async () => {
      const store = await make();
      expect(await store.create('empty', new Uint8Array(0))).toMatchObject({ created: true });
      expect((await readWhole(store, 'empty')).length).toBe(0);
      expect(await store.head('empty')).toMatchObject({ bytes: 0 });
    });

    it('stores a large streamed body', async () => {
      const store = await make();
      const content = noise(LARGE_BYTES);
      expect(await store.create('large', streamed(content))).toMatchObject({ created: true });
      expect(sha(await readWhole(store, 'large'))).toBe(sha(content));
      expect(await store.head('large')).toMatchObject({ bytes: LARGE_BYTES });
      expect(await store.create('large', streamed(noise(LARGE_BYTES, 2)))).toMatchObject({ created: false });
      expect(sha(await readWhole(store, 'large'))).toBe(sha(content));
    });

    it('does not keep a body that gives fewer bytes than it promised', async () => {
      const store = await make();
      const liar = { bytes: 10, open: () => streamed(Buffer.from('1234567')).open(0, 7) };
      expect(await codeOf(() => store.create('short', liar))).toBe('SegmentMismatch');
      expect(await keysOf(store)).toEqual([]);
    });

    it('keeps nothing of a body that fails half-way', async () => {
      const store = await make();
      const content = noise(LARGE_BYTES);
      const failing = {
        bytes: LARGE_BYTES,
        async *open(start: number, end: number) {
          yield content.subarray(start, Math.min(end, start + 1000));
          if (start + 1000 < end) throw new Error('the disk is gone');
        },
      };
      await expect(store.create('half', failing)).rejects.toThrow('the disk is gone');
      expect(await keysOf(store)).toEqual([]);
      expect(await store.create('half', bytes('whole'))).toMatchObject({ created: true });
    });

    it('stops when it is told to', async () => {
      const store = await make();
      const stop = new AbortController();
      const content = noise(LARGE_BYTES);
      const body = {
        bytes: LARGE_BYTES,
        async *open(start: number, end: number) {
          yield content.subarray(start, Math.min(end, start + 1000));
          stop.abort(new Error('enough'));
          yield content.subarray(start + 1000, end);
        },
      };
      await expect(store.create('stopped', body, stop.signal)).rejects.toThrow('enough');
      await expect(store.create('stopped', bytes('x'), stop.signal)).rejects.toThrow('enough');
      expect(await store.head('stopped')).toBeUndefined();
    });
  });

  describe('read', () => {
    it('reads ranges as slice() does', async () => {
      const store = await make();
      const content = noise(100_000);
      await store.create('ranged', content);
      const ranges = [
        [0, 1],
        [99_999, 100_000],
        [1000, 70_000],
        [99_990, 200_000],
        [100_000, 100_001],
        [300_000, 400_000],
        [5, 5],
      ] as const;
      for (const [start, end] of ranges) {
        const read = await readWhole(store, 'ranged', { range: { start, end } });
        expect(read.equals(content.subarray(start, end)), `${start}-${end}`).toBe(true);
      }
    });

    it('refuses what is no range', async () => {
      const store = await make();
      await store.create('ranged', bytes('abc'));
      for (const range of [
        { start: -1, end: 2 },
        { start: 2, end: 1 },
        { start: 0.5, end: 2 },
      ])
        await expect(readWhole(store, 'ranged', { range })).rejects.toThrow(RangeError);
    });

    it('fails with NoSuchObject, also on an empty range', async () => {
      const store = await make();
      await store.create('there', bytes('x'));
      expect(await codeOf(() => readWhole(store, 'not/there'))).toBe('NoSuchObject');
      expect(await codeOf(() => readWhole(store, 'ther'))).toBe('NoSuchObject');
      expect(await codeOf(() => readWhole(store, 'not', { range: { start: 3, end: 3 } }))).toBe('NoSuchObject');
    });

    it('can be left half-way, and stopped', async () => {
      const store = await make();
      await store.create('long', noise(LARGE_BYTES));
      for await (const chunk of store.read('long')) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      const stop = new AbortController();
      const reading = async (): Promise<void> => {
        for await (const _ of store.read('long', { signal: stop.signal })) stop.abort(new Error('enough'));
        stop.signal.throwIfAborted();
      };
      await expect(reading()).rejects.toThrow('enough');
      await expect(readWhole(store, 'long', { signal: stop.signal })).rejects.toThrow('enough');
    });
  });

  describe('head', () => {
    it('tells size, time and etag, or nothing', async () => {
      const store = await make();
      const before = Date.now() - 2000;
      await store.create('one', bytes('12345'));
      const info = await store.head('one');
      expect(info).toMatchObject({ key: 'one', bytes: 5 });
      expect(info?.etag).not.toBe('');
      expect(info?.modified.getTime()).toBeGreaterThan(before);
      expect(info?.modified.getTime()).toBeLessThan(Date.now() + 2000);
      expect(await store.head('two')).toBeUndefined();
      expect(await store.head('one/two')).toBeUndefined();
    });
  });

  describe('list', () => {
    // '-' and '.' sort before '/', '0' after it: a walk that sorts names instead of keys gets this wrong.
    const KEYS = [
      'a-b/c',
      'a-b.json',
      'a.b/d',
      'a/b',
      'a/b-c',
      'a/b.json',
      'a/bb/c',
      'a/c',
      'a0',
      'a0b/x',
      'ab',
      'b/a/a/a',
      'b/a/a0',
      'b/a/b',
    ];

    it('is in byte order of the whole key', async () => {
      const store = await make();
      for (const key of KEYS.toReversed()) await store.create(key, bytes(key));
      expect(await keysOf(store)).toEqual(KEYS.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    });

    it('takes any prefix and any place to go on', async () => {
      const store = await make();
      for (const key of KEYS) await store.create(key, bytes(key));
      const sorted = KEYS.toSorted();
      for (const prefix of ['', 'a', 'a/', 'a/b', 'a-', 'b/a', 'b/a/', 'b/a/a', 'c', 'a/b/', 'a0b/x'])
        for (const after of [undefined, 'a', 'a-z', 'a/b', 'a/b-c', 'a/z', 'b', 'b/a/a/a', 'zzz', 'a/bb'])
          expect(await keysOf(store, prefix, after), `prefix ${prefix} after ${after}`).toEqual(
            sorted.filter((key) => key.startsWith(prefix) && (after === undefined || key > after)),
          );
    });

    it('tells the same as head', async () => {
      const store = await make();
      await store.create('x/created', bytes('12345'));
      await store.replace('x/replaced', bytes('{}'), null);
      for await (const info of store.list('x/')) {
        const head = await store.head(info.key);
        expect(info).toMatchObject({ bytes: head?.bytes, etag: head?.etag });
        // HTTP's dates have no fractions of a second; the listing may.
        expect(Math.abs(info.modified.getTime() - (head?.modified.getTime() ?? 0))).toBeLessThan(1000);
      }
    });

    it('can be left half-way', async () => {
      const store = await make();
      for (const key of KEYS) await store.create(key, bytes(key));
      for await (const { key } of store.list('b/')) {
        expect(key).toBe('b/a/a/a');
        break;
      }
    });
  });

  describe('delete', () => {
    it('removes an object, and succeeds when there is none', async () => {
      const store = await make();
      await store.create('gone/soon', bytes('x'));
      await store.create('gone/later', bytes('y'));
      await store.delete('gone/soon');
      await store.delete('gone/soon');
      await store.delete('never/was');
      expect(await keysOf(store)).toEqual(['gone/later']);
      expect(await codeOf(() => readWhole(store, 'gone/soon'))).toBe('NoSuchObject');
      expect(await store.create('gone/soon', bytes('again'))).toMatchObject({ created: true });
    });
  });

  describe('replace', () => {
    it('compares and swaps', async () => {
      const store = await make();
      const first = await store.replace('lease.json', bytes('1'), null);
      expect(first).toBeDefined();
      expect(await store.replace('lease.json', bytes('2'), null)).toBeUndefined();
      expect((await store.head('lease.json'))?.etag).toBe(first);
      const second = await store.replace('lease.json', bytes('3'), first ?? '');
      expect(second).toBeDefined();
      expect(second).not.toBe(first);
      expect(await store.replace('lease.json', bytes('4'), first ?? '')).toBeUndefined();
      expect((await readWhole(store, 'lease.json')).toString()).toBe('3');
      await store.delete('lease.json');
      expect(await store.replace('lease.json', bytes('5'), second ?? '')).toBeUndefined();
      expect(await store.head('lease.json')).toBeUndefined();
    });

    it('lets one of many at once win, each time', async () => {
      const store = await make();
      let etag: string | null = null;
      for (let round = 0; round < 5; round++) {
        const from: string | null = etag;
        const results: (string | undefined)[] = await Promise.all(
          Array.from({ length: 6 }, (_, n) => store.replace('lease.json', bytes(`${round} ${n}`), from)),
        );
        const won = results.filter((result) => result !== undefined);
        expect(won).toHaveLength(1);
        etag = won[0] ?? null;
      }
    });

    it('goes on from an object that was created', async () => {
      const store = await make();
      await store.create('record', bytes('1'));
      const etag = (await store.head('record'))?.etag ?? '';
      expect(await store.replace('record', bytes('2'), etag)).toBeDefined();
      expect((await readWhole(store, 'record')).toString()).toBe('2');
    });
  });

  describe('keys', () => {
    const BAD = [
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      '../a',
      'a/../b',
      'a/..',
      'a/./b',
      'a\0b',
      'a\nb',
      'ä',
      'e\u0301',
      '😀',
      'a/.lifeboat-tmp/b',
    ];

    it('refuses what could leave the store or differ between stores', async () => {
      const store = await make();
      for (const key of [...BAD, 'x'.repeat(256), `${'x/'.repeat(KEY_MAX_BYTES / 2)}x`]) {
        expect(await codeOf(() => store.create(key, bytes('x'))), JSON.stringify(key)).toBe('StoreKeyInvalid');
        expect(await codeOf(() => readWhole(store, key)), JSON.stringify(key)).toBe('StoreKeyInvalid');
        expect(await codeOf(() => store.head(key)), JSON.stringify(key)).toBe('StoreKeyInvalid');
        expect(await codeOf(() => store.delete(key)), JSON.stringify(key)).toBe('StoreKeyInvalid');
        expect(await codeOf(() => store.replace(key, bytes('x'), null)), JSON.stringify(key)).toBe('StoreKeyInvalid');
      }
      for (const prefix of ['../', '/', 'a//', 'ä', '..'])
        expect(await codeOf(() => keysOf(store, prefix)), prefix).toBe('StoreKeyInvalid');
      expect(await keysOf(store)).toEqual([]);
    });

    it('takes every printable character and the longest key', async () => {
      const store = await make();
      const printable = Array.from({ length: 95 }, (_, n) => String.fromCharCode(32 + n)).filter((c) => c !== '/');
      const odd = `odd/${printable.join('')}`;
      const longest = `${'long/'.repeat(KEY_MAX_BYTES / 5 - 1)}x.txt`.padEnd(KEY_MAX_BYTES, 'x');
      for (const key of [odd, longest, 'a%2Fb', 'a+b c', '..a', 'a..', '...']) {
        expect(await store.create(key, bytes(key))).toMatchObject({ created: true });
        expect((await readWhole(store, key)).toString()).toBe(key);
        expect(await store.head(key)).toMatchObject({ key });
      }
      expect(await keysOf(store)).toEqual(['...', '..a', 'a%2Fb', 'a+b c', 'a..', longest, odd].toSorted());
    });
  });
};
