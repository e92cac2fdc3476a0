import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCopy } from '../../../src/sources/juicefs/engines/redis-copy.ts';
import { copyReader } from '../../../src/sources/juicefs/engines/redis-copy-reader.ts';
import { temporary } from './harness.ts';

const ATTR_BYTES = 71;
const SLICE_BYTES = 24;

const regular = (length: bigint): Buffer => {
  const bytes = Buffer.alloc(ATTR_BYTES);
  bytes.writeUInt16BE((1 << 12) | 0o644, 1);
  bytes.writeBigUInt64BE(length, 51);
  return bytes;
};
const slice = (id: bigint): Buffer => {
  const bytes = Buffer.alloc(SLICE_BYTES);
  bytes.writeBigUInt64BE(id, 4);
  return bytes;
};
const edge = (inode: bigint): Buffer => {
  const bytes = Buffer.alloc(9, 1);
  bytes.writeBigUInt64BE(inode, 1);
  return bytes;
};

let count = 0;
const fresh = () => openCopy(join(temporary, `copy-${++count}.db`));

const LARGE = 200n << 20n;
/** Two that share the low half of their numbers, and so a place in the copy. */
const ONE = 7n;
const TWIN = (1n << 40n) + 7n;

describe('the copy of the keys of a volume', () => {
  it('keeps inodes apart, whatever their numbers have in common', async () => {
    const copy = fresh();
    copy.put(`i${ONE}`, { kind: 'string', part: 0, items: [regular(1n)] });
    copy.put(`i${TWIN}`, { kind: 'string', part: 0, items: [regular(2n)] });
    const reader = await copyReader(copy);
    const found = await reader.contents([ONE, TWIN, 8n].map((inode) => ({ inode, type: 1 })));
    expect([...found].map(([inode, { attr }]) => [inode, attr.inode, attr.length])).toEqual([
      [ONE, ONE, 1n],
      [TWIN, TWIN, 2n],
    ]);
    await reader.close();
  });

  it('has what was put last, piece by piece, over several runs, in order of the chunks', async () => {
    const copy = fresh();
    const put = (name: string, part: number, ...items: Buffer[]): void =>
      copy.put(name, { kind: name.startsWith('c') ? 'list' : name.startsWith('x') ? 'hash' : 'string', part, items });
    put('i7', 0, regular(1n));
    put('c7_2', 0, slice(1n));
    put('c7_1', 0, slice(2n));
    put('c7_9', 0, slice(9n));
    put('x7', 0, Buffer.from('b'), Buffer.from('old'));
    // Enough to end a run.
    for (let i = 0; i < 70_000; i++) put(`i${1000 + i}`, 0, regular(0n));
    put('i7', 0, regular(LARGE));
    put('c7_1', 0, slice(3n), slice(4n));
    put('c7_1', 1, slice(5n));
    copy.remove('c7_2');
    put('x7', 0, Buffer.from('b'), Buffer.from('new'));
    put('x7', 1, Buffer.from('a'), Buffer.from('more'));
    const reader = await copyReader(copy);
    const [content] = (await reader.contents([{ inode: 7n, type: 1 }])).values();
    expect(content?.attr.length).toBe(LARGE);
    // Chunk 9 lies beyond the end of the file.
    expect(content?.chunks?.map(({ index, slices }) => [index, slices.length / SLICE_BYTES])).toEqual([[1, 3]]);
    expect(content?.xattrs?.map(({ name, value }) => `${Buffer.from(name)}=${Buffer.from(value)}`)).toEqual(['a=more', 'b=new']);
    await reader.close();
  });

  it('has the names of a folder in order, in pages, however many pieces it came in, and forgets it', async () => {
    const copy = fresh();
    const some = (from: number, to: number): Buffer[] =>
      Array.from({ length: to - from }, (_, i) => [
        Buffer.from(`n${String(to - 1 - i).padStart(6, '0')}`),
        edge(BigInt(to - 1 - i)),
      ]).flat();
    copy.put('d1', { kind: 'hash', part: 0, items: some(0, 1000) });
    copy.put('d2', { kind: 'hash', part: 0, items: some(0, 1000) });
    copy.put('d2', { kind: 'hash', part: 1, items: some(1000, 1500) });
    copy.put('d2', { kind: 'hash', part: 2, items: some(1500, 1600) });
    copy.put('d3', { kind: 'hash', part: 0, items: some(0, 3) });
    copy.remove('d3');
    const reader = await copyReader(copy);
    const namesOf = async (directory: bigint): Promise<bigint[]> => {
      const found: bigint[] = [];
      for (let after: Uint8Array | undefined; ; ) {
        const [page] = await reader.pages([{ directory, after, limit: 64 }]);
        found.push(...(page?.edges ?? []).map(({ inode }) => inode));
        after = page?.edges.at(-1)?.name;
        if (page?.more !== true) return found;
      }
    };
    expect(await namesOf(1n)).toEqual(Array.from({ length: 1000 }, (_, i) => BigInt(i)));
    expect(await namesOf(2n)).toEqual(Array.from({ length: 1600 }, (_, i) => BigInt(i)));
    expect(await namesOf(3n)).toEqual([]);
    await reader.close();
  });

  it('refuses a key of another kind than juicefs writes', () => {
    const copy = fresh();
    expect(() => copy.put('d1', { kind: 'string', part: 0, items: [Buffer.from('x')] })).toThrow(
      expect.objectContaining({ name: 'SourceProblem' }),
    );
    copy.close();
  });
});
