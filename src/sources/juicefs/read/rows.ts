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

export const entryDigest = (factory: DigestFactory): EntryDigest => {
  const digest = factory.open(ENTRIES, COLUMNS.entries);
  let row = Buffer.alloc(64 * 1024);
  return {
    add(entry, parent) {
      const size = sizeOf(entry);
      if (row.length < size) row = Buffer.alloc(size * 2);
      const end = putEntry(row, entry, parent);
      digest.add(row.subarray(0, end), 0, 10 + entry.name.length);
    },
    end: () => digest.end(),
  };
};

const sizeOf = ({ name, symlink, xattrs = [], accessAcl, defaultAcl, chunks = [] }: Entry): number => {
  let size = FIXED_BYTES + name.length + (symlink?.length ?? 0);
  for (const xattr of xattrs) size += 6 + xattr.name.length + xattr.value.length;
  for (const acl of [accessAcl, defaultAcl]) size += 17 + 6 * ((acl?.users.length ?? 0) + (acl?.groups.length ?? 0));
  for (const { slices } of chunks) size += 8 + slices.length;
  return size;
};

/** Whether bytes were equal is asked of them alone: numbers are fixed in width, all else stands behind its length. */
const putEntry = (row: Buffer, entry: Entry, parent: bigint): number => {
  const { name, attr, symlink, xattrs = [], accessAcl, defaultAcl, chunks = [] } = entry;
  let at = row.writeBigUInt64BE(parent, 0);
  at = row.writeUInt16BE(name.length, at);
  row.set(name, at);
  at = row.writeBigUInt64BE(attr.inode, at + name.length);
  at = row.writeUInt8(attr.type, at);
  at = row.writeUInt16BE(attr.mode, at);
  at = row.writeUInt8(attr.flags, at);
  at = row.writeUInt32BE(attr.uid, at);
  at = row.writeUInt32BE(attr.gid, at);
  at = row.writeUInt32BE(attr.rdev, at);
  at = row.writeUInt8(attr.tier, at);
  at = row.writeUInt32BE(attr.atimensec, row.writeBigInt64BE(attr.atime, at));
  at = row.writeUInt32BE(attr.mtimensec, row.writeBigInt64BE(attr.mtime, at));
  at = row.writeUInt32BE(attr.ctimensec, row.writeBigInt64BE(attr.ctime, at));
  at = row.writeBigUInt64BE(attr.type === TYPE.regular ? attr.length : 0n, at);
  at = putBytes(row, symlink, at);
  at = row.writeUInt32BE(xattrs.length, at);
  for (const xattr of xattrs) at = putBytes(row, xattr.value, putName(row, xattr.name, at));
  at = putAcl(row, defaultAcl, putAcl(row, accessAcl, at));
  at = row.writeUInt32BE(chunks.length, at);
  for (const { index, slices } of chunks) at = putBytes(row, slices, row.writeUInt32BE(index, at));
  return at;
};

const NOTHING = new Uint8Array();

const putBytes = (row: Buffer, bytes: Uint8Array = NOTHING, from: number): number => {
  const at = row.writeUInt32BE(bytes.length, from);
  row.set(bytes, at);
  return at + bytes.length;
};

const putName = (row: Buffer, bytes: Uint8Array, from: number): number => {
  const at = row.writeUInt16BE(bytes.length, from);
  row.set(bytes, at);
  return at + bytes.length;
};

const putAcl = (row: Buffer, acl: Acl | undefined, from: number): number => {
  let at = row.writeUInt8(acl === undefined ? 0 : 1, from);
  if (acl === undefined) return at;
  for (const part of [acl.owner, acl.group, acl.mask, acl.other]) at = row.writeUInt16BE(part, at);
  for (const entries of [acl.users, acl.groups]) {
    at = row.writeUInt32BE(entries.length, at);
    for (const { id, perm } of entries) at = row.writeUInt16BE(perm, row.writeUInt32BE(id, at));
  }
  return at;
};

const addRow = (digest: RowDigest, row: Buffer, key: number): void => digest.add(row, 0, key);

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
    const row = Buffer.alloc(6 + key.length + text.length);
    putBytes(row, text, putName(row, key, 0));
    addRow(setting, row, 2 + key.length);
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
