import { type Acl, align4K, isDirectory, ROOT_INODE, SLICE_BYTES, storedLength, TRASH_INODE, TYPE } from '../model.ts';
import { aclKey } from './acl.ts';
import { EDGE_BYTES, encodeAttr } from './redis-attr.ts';
import type { Occurrence } from './writer.ts';

/** A script is given this much at most: while it runs a server does nothing else. */
const PACK_BYTES = 256 * 1024;

/**
 * Names for the script PUT, as MessagePack: one value for many names costs client and server less than a dozen for each. A name is the
 * list root, parent, name, edge, inode, attr, folder, counted (in totals), space, length, whether the parent counts folders, symlink,
 * xattrs (name and value in turn), chunks (index, list of slices, list of their fields in sliceRef).
 */
export function* packNames(occurrences: readonly Occurrence[], rules: ReadonlyMap<string, number>): Generator<Buffer> {
  let pack = packer();
  let names = 0;
  for (const one of occurrences) {
    putName(pack, one, rules);
    names += 1;
    if (pack.used() < PACK_BYTES) continue;
    yield pack.list(names);
    pack = packer();
    names = 0;
  }
  if (names > 0) yield pack.list(names);
}

interface Packer {
  /** 0 to 127. */
  small(value: number): void;
  text(value: string): void;
  bytes(value: Uint8Array): void;
  /** That many values follow, which are one. */
  open(count: number): void;
  used(): number;
  /** All that was packed, as a list of `count`. */
  list(count: number): Buffer;
}

/** Of a list of 32 bits. */
const LIST_HEAD_BYTES = 5;
const HEAD_MAX_BYTES = 5;

const packer = (): Packer => {
  let buffer = Buffer.allocUnsafe(PACK_BYTES + 64 * 1024);
  let used = LIST_HEAD_BYTES;
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
    open(count) {
      reserve(LIST_HEAD_BYTES);
      buffer[used] = 0xdd;
      used = buffer.writeUInt32BE(count, used + 1);
    },
    used: () => used,
    list(count) {
      buffer[0] = 0xdd;
      buffer.writeUInt32BE(count, 1);
      return buffer.subarray(0, used);
    },
  };
};

const FIELDS = 14;
const NOTHING = new Uint8Array();

const putName = (pack: Packer, { parent, entry, root }: Occurrence, rules: ReadonlyMap<string, number>): void => {
  const { attr, name, symlink = NOTHING, xattrs = [], chunks = [], accessAcl, defaultAcl } = entry;
  const rule = (acl: Acl | undefined): number => (acl === undefined ? 0 : (rules.get(aclKey(acl)) ?? 0));
  const edge = Buffer.allocUnsafe(EDGE_BYTES);
  edge.writeUInt8(attr.type, 0);
  edge.writeBigUInt64BE(attr.inode, 1);
  const length = attr.type === TYPE.regular ? attr.length : 0n;
  pack.open(FIELDS);
  pack.small(root ? 1 : 0);
  pack.text(String(parent));
  pack.bytes(name);
  pack.bytes(edge);
  pack.text(String(attr.inode));
  const acls = { accessAcl: rule(accessAcl), defaultAcl: rule(defaultAcl) };
  pack.bytes(encodeAttr(attr, { parent, ...acls, length: storedLength(attr, entry.symlink) }));
  pack.small(isDirectory(attr) ? 1 : 0);
  pack.small(attr.inode !== ROOT_INODE && attr.inode !== TRASH_INODE ? 1 : 0);
  pack.text(String(align4K(length)));
  pack.text(String(length));
  pack.small(parent < TRASH_INODE ? 1 : 0);
  pack.bytes(symlink);
  pack.open(2 * xattrs.length);
  for (const xattr of xattrs) {
    pack.bytes(xattr.name);
    pack.bytes(xattr.value);
  }
  pack.open(3 * chunks.length);
  for (const { index, slices } of chunks) {
    const view = new DataView(slices.buffer, slices.byteOffset, slices.byteLength);
    const fields: string[] = [];
    pack.text(String(index));
    pack.open(Math.floor(slices.length / SLICE_BYTES));
    for (let at = 0; at + SLICE_BYTES <= slices.length; at += SLICE_BYTES) {
      const id = view.getBigUint64(at + 4);
      pack.bytes(slices.subarray(at, at + SLICE_BYTES));
      // A hole is no slice.
      if (id !== 0n) fields.push(`k${id}_${view.getUint32(at + 12)}`);
    }
    pack.open(fields.length);
    for (const field of fields) pack.text(field);
  }
};
