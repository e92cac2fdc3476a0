import { type Acl, align4K, type Entry, isDirectory, SLICE_BYTES, storedLength, TRASH_INODE, TYPE } from '../model.ts';
import { aclKey } from './acl.ts';
import { EDGE_BYTES, encodeAttr } from './redis-attr.ts';
import { type NamedSlice, namedSlices } from './slice-sums.ts';
import type { Occurrence } from './writer.ts';

/** A script is given this much at most: while it runs a server does nothing else. */
const PACK_BYTES = 256 * 1024;
/** What a name takes beside its bytes, about. */
const NAME_BYTES = 160;
/** Ids of slices whose bits lie in one key. */
const PAGE_IDS_BITS = 15n;
const PAGE_IDS_MASK = (1n << PAGE_IDS_BITS) - 1n;

export interface PackMeans {
  readonly prefix: string;
  readonly rules: ReadonlyMap<string, number>;
  /** Used again by the next call: what the last one answered must have been sent by then. */
  readonly buffers: Buffer[];
}

/**
 * Names for the script PUT, as MessagePack in columns: folders (parent, number of its first name from 1, names, whether it counts
 * folders, length, space and folders of all its names), edges (name and value in turn; two empty ones for a root), keys of inodes, attrs,
 * kinds (a text: 0 for a root, else 1), sizes (a text of length and space), then rows that begin with the number of their name and a key:
 * targets of symlinks, xattrs (name and value in turn); chunks (number of the name, key, how many slices, and these, one behind the
 * other); pages of ids of slices (number of the page, then of each slice its name, its place in the page, and its field in sliceRef);
 * totals (space, inodes, numbers of the folders).
 */
export const packNames = ({ prefix, rules, buffers }: PackMeans, occurrences: readonly Occurrence[]): readonly Buffer[] => {
  const packs: Buffer[] = [];
  const put = (all: readonly Occurrence[]): void => {
    const pack = packer(buffers[packs.length] ?? Buffer.allocUnsafeSlow(2 * PACK_BYTES));
    packColumns(pack, prefix, all, rules);
    buffers[packs.length] = pack.buffer();
    packs.push(pack.packed());
  };
  let some: Occurrence[] = [];
  let bytes = 0;
  for (const one of occurrences) {
    some.push(one);
    bytes += NAME_BYTES + sizeOf(one.entry);
    if (bytes < PACK_BYTES) continue;
    put(some);
    some = [];
    bytes = 0;
  }
  if (some.length > 0) put(some);
  return packs;
};

const sizeOf = ({ name, symlink, xattrs = [], chunks = [] }: Entry): number => {
  let size = name.length + (symlink?.length ?? 0);
  for (const xattr of xattrs) size += xattr.name.length + xattr.value.length;
  for (const { slices } of chunks) size += 2 * slices.length;
  return size;
};

interface Packer {
  /** 0 to 127. */
  small(value: number): void;
  text(value: string): void;
  bytes(value: Uint8Array): void;
  /** Any other number that is counted. */
  number(value: number): void;
  /** That many values follow, which are one. */
  open(count: number): void;
  packed(): Buffer;
  /** With room to spare. */
  buffer(): Buffer;
}

const HEAD_MAX_BYTES = 5;

const packer = (given: Buffer): Packer => {
  let buffer = given;
  let used = 0;
  const reserve = (more: number): void => {
    if (used + more <= buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * buffer.length, used + more));
    buffer.copy(larger, 0, 0, used);
    buffer = larger;
  };
  const head = (length: number): void => {
    reserve(HEAD_MAX_BYTES + length);
    if (length < 32) buffer[used++] = 0xa0 | length;
    else if (length < 65_536) {
      buffer[used] = 0xda;
      used = buffer.writeUInt16BE(length, used + 1);
    } else {
      buffer[used] = 0xdb;
      used = buffer.writeUInt32BE(length, used + 1);
    }
  };
  return {
    small(value) {
      reserve(1);
      buffer[used++] = value;
    },
    text(value) {
      head(value.length);
      used += buffer.write(value, used, 'latin1');
    },
    bytes(value) {
      head(value.length);
      buffer.set(value, used);
      used += value.length;
    },
    number(value) {
      reserve(HEAD_MAX_BYTES);
      buffer[used] = 0xce;
      used = buffer.writeUInt32BE(value, used + 1);
    },
    open(count) {
      reserve(HEAD_MAX_BYTES);
      buffer[used] = 0xdd;
      used = buffer.writeUInt32BE(count, used + 1);
    },
    packed: () => buffer.subarray(0, used),
    buffer: () => buffer,
  };
};

const NOTHING = new Uint8Array();
const COLUMNS = 11;

interface Folder {
  readonly parent: bigint;
  readonly first: number;
  count: number;
  length: bigint;
  space: bigint;
  folders: number;
}

const packColumns = (pack: Packer, prefix: string, all: readonly Occurrence[], rules: ReadonlyMap<string, number>): void => {
  const lengths = all.map(({ entry: { attr } }) => (attr.type === TYPE.regular ? attr.length : 0n));
  const spaces = lengths.map(align4K);
  const inodes = all.map(({ entry }) => String(entry.attr.inode));
  pack.open(COLUMNS);
  packFolders(pack, all, lengths, spaces);
  pack.open(2 * all.length);
  for (const { root, entry } of all) {
    pack.bytes(root ? NOTHING : entry.name);
    pack.bytes(root ? NOTHING : edgeOf(entry));
  }
  pack.open(all.length);
  for (const inode of inodes) pack.text(`${prefix}i${inode}`);
  pack.open(all.length);
  for (const { parent, entry } of all) pack.bytes(storedAttr(parent, entry, rules));
  pack.text(all.map(({ root }) => (root ? '0' : '1')).join(''));
  pack.text(lengths.map((length, i) => `${length} ${spaces[i]}`).join(','));
  packTargets(pack, prefix, all);
  packXattrs(pack, prefix, all);
  packChunks(pack, prefix, all, inodes);
  packPages(pack, all);
  packTotals(pack, all, spaces);
};

/** Names of a folder stand together. */
const packFolders = (pack: Packer, all: readonly Occurrence[], lengths: readonly bigint[], spaces: readonly bigint[]): void => {
  const folders: Folder[] = [];
  for (const [i, { root, parent, entry }] of all.entries()) {
    if (root) continue;
    let folder = folders.at(-1);
    if (folder === undefined || folder.parent !== parent || folder.first + folder.count !== i) {
      folder = { parent, first: i, count: 0, length: 0n, space: 0n, folders: 0 };
      folders.push(folder);
    }
    folder.count += 1;
    folder.length += lengths[i] as bigint;
    folder.space += spaces[i] as bigint;
    if (isDirectory(entry.attr) && parent < TRASH_INODE) folder.folders += 1;
  }
  pack.open(folders.length);
  for (const { parent, first, count, length, space, folders: within } of folders) {
    pack.open(7);
    pack.text(String(parent));
    pack.number(first + 1);
    pack.number(count);
    pack.small(parent < TRASH_INODE ? 1 : 0);
    pack.text(String(length));
    pack.text(String(space));
    pack.number(within);
  }
};

const edgeOf = ({ attr }: Entry): Buffer => {
  const edge = Buffer.allocUnsafe(EDGE_BYTES);
  edge.writeUInt8(attr.type, 0);
  edge.writeBigUInt64BE(attr.inode, 1);
  return edge;
};

const storedAttr = (parent: bigint, entry: Entry, rules: ReadonlyMap<string, number>): Buffer => {
  const rule = (acl: Acl | undefined): number => (acl === undefined ? 0 : (rules.get(aclKey(acl)) ?? 0));
  const acls = { accessAcl: rule(entry.accessAcl), defaultAcl: rule(entry.defaultAcl) };
  return encodeAttr(entry.attr, { parent, ...acls, length: storedLength(entry.attr, entry.symlink) });
};

const packTargets = (pack: Packer, prefix: string, all: readonly Occurrence[]): void => {
  const targets = all.flatMap(({ entry: { attr, symlink } }, i) =>
    symlink === undefined || symlink.length === 0 ? [] : [{ i, inode: attr.inode, symlink }],
  );
  pack.open(targets.length);
  for (const { i, inode, symlink } of targets) {
    pack.open(3);
    pack.number(i + 1);
    pack.text(`${prefix}s${inode}`);
    pack.bytes(symlink);
  }
};

const packXattrs = (pack: Packer, prefix: string, all: readonly Occurrence[]): void => {
  const rows = all.flatMap(({ entry: { attr, xattrs = [] } }, i) => (xattrs.length === 0 ? [] : [{ i, inode: attr.inode, xattrs }]));
  pack.open(rows.length);
  for (const { i, inode, xattrs } of rows) {
    pack.open(2 + 2 * xattrs.length);
    pack.number(i + 1);
    pack.text(`${prefix}x${inode}`);
    for (const { name, value } of xattrs) {
      pack.bytes(name);
      pack.bytes(value);
    }
  }
};

/** In one row, because there are so many. */
const packChunks = (pack: Packer, prefix: string, all: readonly Occurrence[], inodes: readonly string[]): void => {
  let values = 0;
  for (const { entry } of all) for (const { slices } of entry.chunks ?? []) values += 3 + Math.floor(slices.length / SLICE_BYTES);
  pack.open(values);
  for (const [i, { entry }] of all.entries())
    for (const { index, slices } of entry.chunks ?? []) {
      pack.number(i + 1);
      pack.text(`${prefix}c${inodes[i]}_${index}`);
      pack.number(Math.floor(slices.length / SLICE_BYTES));
      for (let at = 0; at + SLICE_BYTES <= slices.length; at += SLICE_BYTES) pack.bytes(slices.subarray(at, at + SLICE_BYTES));
    }
};

const packPages = (pack: Packer, all: readonly Occurrence[]): void => {
  const pages = new Map<bigint, { readonly name: number; readonly slice: NamedSlice }[]>();
  for (const [i, { entry }] of all.entries())
    for (const { slices } of entry.chunks ?? [])
      for (const slice of namedSlices(slices)) {
        const number = slice.id >> PAGE_IDS_BITS;
        const page = pages.get(number);
        if (page === undefined) pages.set(number, [{ name: i + 1, slice }]);
        else page.push({ name: i + 1, slice });
      }
  pack.open(pages.size);
  for (const [number, page] of pages) {
    pack.open(1 + 3 * page.length);
    pack.text(String(number));
    for (const {
      name,
      slice: { id, size },
    } of page) {
      pack.number(name);
      pack.text(String(id & PAGE_IDS_MASK));
      pack.text(`k${id}_${size}`);
    }
  }
};

const packTotals = (pack: Packer, all: readonly Occurrence[], spaces: readonly bigint[]): void => {
  let [space, inodes] = [0n, 0];
  const folders: number[] = [];
  for (const [i, { root, entry }] of all.entries()) {
    if (isDirectory(entry.attr)) folders.push(i + 1);
    if (root) continue;
    space += spaces[i] as bigint;
    inodes += 1;
  }
  pack.open(3);
  pack.text(String(space));
  pack.number(inodes);
  pack.open(folders.length);
  for (const folder of folders) pack.number(folder);
};
