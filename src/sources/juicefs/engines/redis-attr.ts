import { type Attr, isDirectory } from '../model.ts';

/** An inode as Redis has it: 71 bytes, 8 more with access rules, 1 more with a tier. */
const BASE_BYTES = 71;
const ACL_BYTES = 8;

export interface StoredAttr {
  readonly attr: Attr;
  readonly parent: bigint;
  readonly accessAcl: number;
  readonly defaultAcl: number;
}

export const decodeAttr = (inode: bigint, bytes: Buffer): StoredAttr => {
  const word = bytes.readUInt16BE(1);
  const hasParent = bytes.length >= BASE_BYTES;
  const hasAcl = bytes.length >= BASE_BYTES + ACL_BYTES;
  const tierAt = hasAcl ? BASE_BYTES + ACL_BYTES : BASE_BYTES;
  // Its wide numbers cost a fraction of those of a Buffer.
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    attr: {
      inode,
      flags: bytes.readUInt8(0),
      type: word >> 12,
      mode: word & 0xfff,
      uid: bytes.readUInt32BE(3),
      gid: bytes.readUInt32BE(7),
      atime: view.getBigInt64(11),
      atimensec: bytes.readUInt32BE(19),
      mtime: view.getBigInt64(23),
      mtimensec: bytes.readUInt32BE(31),
      ctime: view.getBigInt64(35),
      ctimensec: bytes.readUInt32BE(43),
      nlink: bytes.readUInt32BE(47),
      length: view.getBigUint64(51),
      rdev: bytes.readUInt32BE(59),
      tier: bytes.length > tierAt ? bytes.readUInt8(tierAt) : 0,
    },
    parent: hasParent ? view.getBigUint64(63) : 0n,
    accessAcl: hasAcl ? bytes.readUInt32BE(71) : 0,
    defaultAcl: hasAcl ? bytes.readUInt32BE(75) : 0,
  };
};

export const encodeAttr = (
  attr: Attr,
  stored: { readonly parent: bigint; readonly accessAcl: number; readonly defaultAcl: number; readonly length: bigint },
): Buffer => {
  const hasAcl = stored.accessAcl !== 0 || stored.defaultAcl !== 0;
  const bytes = Buffer.alloc(BASE_BYTES + (hasAcl ? ACL_BYTES : 0) + (attr.tier === 0 ? 0 : 1));
  bytes.writeUInt8(attr.flags, 0);
  bytes.writeUInt16BE((attr.type << 12) | attr.mode, 1);
  bytes.writeUInt32BE(attr.uid, 3);
  bytes.writeUInt32BE(attr.gid, 7);
  bytes.writeBigInt64BE(attr.atime, 11);
  bytes.writeUInt32BE(attr.atimensec, 19);
  bytes.writeBigInt64BE(attr.mtime, 23);
  bytes.writeUInt32BE(attr.mtimensec, 31);
  bytes.writeBigInt64BE(attr.ctime, 35);
  bytes.writeUInt32BE(attr.ctimensec, 43);
  bytes.writeUInt32BE(isDirectory(attr) ? 2 : 1, 47);
  bytes.writeBigUInt64BE(stored.length, 51);
  bytes.writeUInt32BE(attr.rdev, 59);
  bytes.writeBigUInt64BE(stored.parent, 63);
  if (hasAcl) {
    bytes.writeUInt32BE(stored.accessAcl, 71);
    bytes.writeUInt32BE(stored.defaultAcl, 75);
  }
  if (attr.tier !== 0) bytes.writeUInt8(attr.tier, bytes.length - 1);
  return bytes;
};

/** An edge: type u8, inode u64. */
export const EDGE_BYTES = 9;
