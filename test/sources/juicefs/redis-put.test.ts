/** Whatever comes twice, in pieces or at the same time makes the same volume: the script that writes names into Redis. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { JuicefsAddress } from '../../../src/sources/juicefs/address.ts';
import { openRedisAt, openWriter } from '../../../src/sources/juicefs/engines/open.ts';
import { packNames } from '../../../src/sources/juicefs/engines/redis-pack.ts';
import { FINISH_STEPS, type HeadToLoad, type Occurrence } from '../../../src/sources/juicefs/engines/writer.ts';
import { type Attr, type Entry, TRASH_INODE, TYPE, trashAttr } from '../../../src/sources/juicefs/model.ts';
import { flawsOf } from './derived.ts';
import { dumpOf, emptyEngine, missing, services } from './harness.ts';

const HEAD: HeadToLoad = {
  setting: '{"Name":"v","UUID":"u","Storage":"file","Bucket":"/b/","BlockSize":4096,"TrashDays":1}',
  counters: {
    usedSpace: 0n,
    usedInodes: 0n,
    nextInodes: 2n,
    nextChunk: 1n,
    nextSession: 0n,
    nextTrash: 0n,
    nextCleanupSlices: 0n,
    lastChangelog: 0n,
  },
  sustained: [],
  delFiles: [],
  quotas: new Map([[2n, { maxSpace: 1n << 40n, maxInodes: 100n }]]),
  userQuotas: new Map([[0n, { maxSpace: 1n << 40n, maxInodes: -1n }]]),
  groupQuotas: new Map(),
};

const attrOf = (inode: bigint, type: number, length = 0n): Attr => ({
  ...trashAttr(0n, 0),
  inode,
  type,
  mode: 0o644,
  length,
  uid: Number(inode % 3n),
});

const root = (inode: bigint): Occurrence => ({
  parent: 1n,
  root: true,
  entry: { name: new Uint8Array(), attr: { ...attrOf(inode, TYPE.directory), mode: 0o755 } },
});

/** Folders 2 to 5 lie within each other; the last one is an hour of the trash. */
const FOLDERS = [2n, 3n, 4n, TRASH_INODE + 1n] as const;
const folders: readonly Occurrence[] = [
  root(1n),
  ...FOLDERS.map((inode, i) => ({
    parent: i === 3 ? TRASH_INODE : ([1n, 2n, 3n][i] as bigint),
    root: false,
    entry: { name: Buffer.from(`folder${i}`), attr: attrOf(inode, TYPE.directory) },
  })),
  root(TRASH_INODE),
];

const slice = (id: bigint): Buffer => {
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64BE(id, 4);
  // The size of an object goes with its id; a hole has none.
  bytes.writeUInt32BE(id === 0n ? 0 : 10 + Number(id % 100n), 12);
  bytes.writeUInt32BE(id === 0n ? 1 : 10, 20);
  return bytes;
};

const file = fc.record({
  ids: fc.array(fc.constantFrom(0n, 1n, 2n, 32_767n, 32_768n, 9_000_000_000_000_000_001n), { maxLength: 4 }),
  length: fc.constantFrom(0n, 1n, 4096n, (1n << 26n) + 1n, 1n << 32n),
  xattr: fc.option(fc.uint8Array({ maxLength: 5 })),
  isLink: fc.boolean(),
});

/** Files by their number, and names of them in folders. */
const volume = fc.record({
  files: fc.array(file, { minLength: 1, maxLength: 6 }),
  names: fc.array(fc.record({ file: fc.nat(), folder: fc.nat() }), { minLength: 1, maxLength: 25 }),
  cuts: fc.array(fc.nat(), { maxLength: 3 }),
  again: fc.tuple(fc.nat(), fc.nat()),
});

const entriesOf = (
  files: readonly {
    readonly ids: readonly bigint[];
    readonly length: bigint;
    readonly xattr: Uint8Array | null;
    readonly isLink: boolean;
  }[],
): Omit<Entry, 'name'>[] =>
  files.map(({ ids, length, xattr, isLink }, i) => {
    const inode = 10n + BigInt(i);
    const xattrs = xattr === null ? {} : { xattrs: [{ name: Buffer.from('user.x'), value: xattr }] };
    if (isLink) return { attr: attrOf(inode, TYPE.symlink), symlink: Buffer.from(`target${i}`), ...xattrs };
    const chunks = ids.length === 0 || length === 0n ? {} : { chunks: [{ index: 0, slices: Buffer.concat(ids.map(slice)) }] };
    return { attr: attrOf(inode, TYPE.regular, length), ...xattrs, ...chunks };
  });

describe.skipIf(missing('redis') !== undefined)('names that are put into Redis', () => {
  let address: JuicefsAddress;
  beforeAll(async () => {
    address = await emptyEngine('redis');
  });

  const load = async (batches: readonly (readonly Occurrence[])[], twice: boolean): Promise<number> => {
    const session = await openRedisAt(address, services);
    await session.call('FLUSHDB');
    await session.close();
    const [writer, other] = [await openWriter(address, services), await openWriter(address, services)];
    try {
      await writer.begin('r', 'now');
      let fresh = 0;
      for (const batch of batches) {
        const both = await Promise.all([writer.put(batch), ...(twice ? [other.put(batch)] : [])]);
        fresh += both.reduce((sum, many) => sum + many, 0);
      }
      for (const step of FINISH_STEPS) await writer.finish(step, HEAD, services.now());
      expect((await writer.checks()).filter(({ ok }) => !ok)).toEqual([]);
      await writer.publish(HEAD);
      return fresh;
    } finally {
      await writer.close();
      await other.close();
    }
  };

  it('make one volume, however they are cut, repeated and doubled', async () => {
    await fc.assert(
      fc.asyncProperty(volume, async ({ files, names, cuts, again }) => {
        const entries = entriesOf(files);
        const all: readonly Occurrence[] = [
          ...folders,
          ...names.map(({ file: which, folder }, i) => ({
            parent: FOLDERS[folder % FOLDERS.length] as bigint,
            root: false,
            entry: { ...(entries[which % entries.length] as Omit<Entry, 'name'>), name: Buffer.from(`n${i}`) },
          })),
        ];
        const named = all.filter(({ root: is }) => !is).length;
        expect(await load([all], false)).toBe(named);
        const whole = await dumpOf(address);
        expect(await flawsOf(address)).toEqual([]);

        const at = [...new Set(cuts.map((cut) => cut % all.length))].sort((a, b) => a - b);
        const pieces = [...at, all.length].map((end, i) => all.slice(at[i - 1] ?? 0, end));
        const [from = 0, to = 0] = again.map((one) => one % all.length).sort((a, b) => a - b);
        const parts = [...pieces.filter((piece) => piece.length > 0), all.slice(from, to + 1)];
        expect(await load(parts, true)).toBe(named);
        expect(await dumpOf(address)).toBe(whole);
        expect(await flawsOf(address)).toEqual([]);
        const session = await openRedisAt(address, services);
        const left = await session.call('KEYS', 'lifeboat*');
        await session.close();
        expect(left).toEqual([]);
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('of a folder with more than a command takes, and a file with more slices, are all there', async () => {
    const ids = Array.from({ length: 5000 }, (_, i) => slice(BigInt(1 + (i % 4000))));
    const wide = Array.from({ length: 5000 }, (_, i) => ({
      parent: 2n,
      root: false,
      entry: {
        name: Buffer.from(`f${i}`),
        attr: attrOf(100n + BigInt(i), TYPE.regular, 10n),
        ...(i === 0 ? { chunks: [{ index: 0, slices: Buffer.concat(ids) }] } : {}),
      },
    }));
    expect(await load([[...folders, ...wide]], true)).toBe(wide.length + folders.length - 2);
    expect(await flawsOf(address)).toEqual([]);
  }, 60_000);

  it('are packed into pieces that a server bears, in buffers that are used again', () => {
    const buffers: Buffer[] = [];
    const means = { prefix: '', rules: new Map(), buffers };
    const many = Array.from({ length: 4000 }, (_, i) => ({
      parent: 2n,
      root: false,
      entry: { name: Buffer.alloc(200), attr: attrOf(BigInt(i + 9), TYPE.regular) },
    }));
    const packs = packNames(means, many);
    expect(packs.length).toBeGreaterThan(3);
    for (const pack of packs) expect(pack.length).toBeLessThan(512 * 1024);
    const before = [...buffers];
    expect(before).toHaveLength(packs.length);
    expect(packNames(means, many.slice(0, 10))).toHaveLength(1);
    expect(buffers).toEqual(before);
    expect(buffers[0]).toBe(before[0]);
  });
});
