import type { DigestFactory, RowDigest } from '../../../backup/digest.ts';
import type { ClassDigest } from '../../../backup/types.ts';
import { marshal } from '../format/json.ts';
import { parseSetting, publicFields } from '../format/setting.ts';
import { type Acl, type Entry, type Head, isLimited, type Quotas, ROOT_INODE, TYPE } from '../model.ts';

/** The classes of a volume, and the columns of their rows; docs/store-format.md defines them to the byte. */
export const ENTRIES = 'entries';
const COLUMNS = {
  entries: [
    'parent',
    'name',
    'inode',
    'type',
    'mode',
    'flags',
    'uid',
    'gid',
    'rdev',
    'tier',
    'atime',
    'mtime',
    'ctime',
    'length',
    'symlink',
    'xattrs',
    'access_acl',
    'default_acl',
    'chunks',
  ],
  delfiles: ['inode', 'length', 'expire'],
  quotas: ['kind', 'key', 'max_space', 'max_inodes'],
  setting: ['name', 'value'],
} as const;

export interface EntryDigest {
  /** `parent` as it is after a load: 1 for the root of a folder. */
  add(entry: Entry, parent: bigint): void;
  end(): ClassDigest;
}

const FIXED_BYTES = 100;
const ROW_BYTES = 64 * 1024;

export const entryDigest = (factory: DigestFactory): EntryDigest => {
  const digest = factory.open(ENTRIES, COLUMNS.entries);
  let row = rowOf(ROW_BYTES);
  return {
    add(entry, parent) {
      const size = sizeOf(entry);
      if (row.bytes.length < size) row = rowOf(size * 2);
      const end = putEntry(row, entry, parent);
      digest.add(row.bytes.subarray(0, end), 0, 10 + entry.name.length);
    },
    end: () => digest.end(),
  };
};

interface Row {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

const rowOf = (size: number): Row => {
  const bytes = new Uint8Array(size);
  return { bytes, view: new DataView(bytes.buffer) };
};

const sizeOf = ({ name, symlink, xattrs = [], accessAcl, defaultAcl, chunks = [] }: Entry): number => {
  let size = FIXED_BYTES + name.length + (symlink?.length ?? 0);
  for (const xattr of xattrs) size += 6 + xattr.name.length + xattr.value.length;
  for (const acl of [accessAcl, defaultAcl]) size += 17 + 6 * ((acl?.users.length ?? 0) + (acl?.groups.length ?? 0));
  for (const { slices } of chunks) size += 8 + slices.length;
  return size;
};

/** Whether bytes were equal is asked of them alone: numbers are fixed in width, all else stands behind its length. */
const putEntry = (row: Row, { name, attr, symlink, xattrs = [], accessAcl, defaultAcl, chunks = [] }: Entry, parent: bigint): number => {
  const { view } = row;
  view.setBigUint64(0, parent);
  let at = putName(row, name, 8);
  view.setBigUint64(at, attr.inode);
  view.setUint8(at + 8, attr.type);
  view.setUint16(at + 9, attr.mode);
  view.setUint8(at + 11, attr.flags);
  view.setUint32(at + 12, attr.uid);
  view.setUint32(at + 16, attr.gid);
  view.setUint32(at + 20, attr.rdev);
  view.setUint8(at + 24, attr.tier);
  view.setBigInt64(at + 25, attr.atime);
  view.setUint32(at + 33, attr.atimensec);
  view.setBigInt64(at + 37, attr.mtime);
  view.setUint32(at + 45, attr.mtimensec);
  view.setBigInt64(at + 49, attr.ctime);
  view.setUint32(at + 57, attr.ctimensec);
  view.setBigUint64(at + 61, attr.type === TYPE.regular ? attr.length : 0n);
  at = putBytes(row, symlink, at + 69);
  at = putNumber(row, xattrs.length, at);
  for (const xattr of xattrs) at = putBytes(row, xattr.value, putName(row, xattr.name, at));
  at = putAcl(row, defaultAcl, putAcl(row, accessAcl, at));
  at = putNumber(row, chunks.length, at);
  for (const { index, slices } of chunks) at = putBytes(row, slices, putNumber(row, index, at));
  return at;
};

const NOTHING = new Uint8Array();

const putNumber = ({ view }: Row, value: number, at: number): number => {
  view.setUint32(at, value);
  return at + 4;
};

const putBytes = (row: Row, bytes: Uint8Array = NOTHING, from: number): number => {
  const at = putNumber(row, bytes.length, from);
  row.bytes.set(bytes, at);
  return at + bytes.length;
};

const putName = ({ bytes: row, view }: Row, bytes: Uint8Array, at: number): number => {
  view.setUint16(at, bytes.length);
  row.set(bytes, at + 2);
  return at + 2 + bytes.length;
};

const putAcl = (row: Row, acl: Acl | undefined, from: number): number => {
  row.view.setUint8(from, acl === undefined ? 0 : 1);
  let at = from + 1;
  if (acl === undefined) return at;
  for (const part of [acl.owner, acl.group, acl.mask, acl.other]) {
    row.view.setUint16(at, part);
    at += 2;
  }
  for (const entries of [acl.users, acl.groups]) {
    at = putNumber(row, entries.length, at);
    for (const { id, perm } of entries) {
      at = putNumber(row, id, at);
      row.view.setUint16(at, perm);
      at += 2;
    }
  }
  return at;
};

const addRow = (digest: RowDigest, row: Uint8Array, key: number): void => digest.add(row, 0, key);

/** delfiles, quotas and setting. */
export const headDigests = (factory: DigestFactory, head: Head): ClassDigest[] => {
  const delfiles = factory.open('delfiles', COLUMNS.delfiles);
  for (const { inode, length, expire } of head.delFiles) {
    const row = Buffer.alloc(24);
    row.writeBigUInt64BE(inode, 0);
    row.writeBigUInt64BE(length, 8);
    row.writeBigInt64BE(expire, 16);
    addRow(delfiles, row, 8);
  }
  const quotas = factory.open('quotas', COLUMNS.quotas);
  for (const [kind, of] of [head.quotas, head.userQuotas, head.groupQuotas].entries()) addQuotas(quotas, kind, of);
  const setting = factory.open('setting', COLUMNS.setting);
  for (const [name, value] of publicFields(parseSetting(head.setting))) {
    const key = Buffer.from(name, 'utf8');
    const text = Buffer.from(marshal(value), 'utf8');
    const row = rowOf(6 + key.length + text.length);
    putBytes(row, text, putName(row, key, 0));
    addRow(setting, row.bytes, 2 + key.length);
  }
  return [delfiles.end(), quotas.end(), setting.end()];
};

const addQuotas = (digest: RowDigest, kind: number, quotas: Quotas): void => {
  for (const [key, quota] of quotas) {
    if (!isLimited(quota)) continue;
    const row = Buffer.alloc(25);
    row.writeUInt8(kind, 0);
    row.writeBigUInt64BE(key, 1);
    row.writeBigInt64BE(quota.maxSpace, 9);
    row.writeBigInt64BE(quota.maxInodes, 17);
    addRow(digest, row, 9);
  }
};

/** The parent that a child of a tree's root has after a load. */
export const loadedParent = (parent: bigint, root: bigint, tree: string): bigint =>
  tree === 'FSTree' && parent === root ? ROOT_INODE : parent;
