import { LifeboatError } from '../../../errors.ts';
import type { Acl, AclEntry, Attr, Chunk, Xattr } from '../model.ts';
import { SLICE_BYTES, TYPE_NAMES } from '../model.ts';
import { unescapeName } from './escape.ts';
import { bigOf, listOf, objectOf, smallOf, textOf, type Value } from './json.ts';

export const U8 = 255;
export const U16 = 65_535;
export const U32 = 4_294_967_295;
export const NANOSECONDS_MAX = 999_999_999;
/** Longest name of a file, and longest target of a symlink, in bytes: what all engines hold. */
export const NAME_MAX_BYTES = 255;
export const TARGET_MAX_BYTES = 4096;

const TYPES: ReadonlyMap<string, number> = new Map(TYPE_NAMES.map((name, type) => [name, type]));

export const readAttr = (value: Value): Attr => {
  const attr = objectOf(value, 'attr');
  const inode = bigOf(attr['inode'], 'inode');
  const what = (name: string): string => `${name} of inode ${inode}`;
  const typeName = textOf(attr['type'], what('type'));
  const type = TYPES.get(typeName);
  if (type === undefined || inode <= 0n)
    throw new LifeboatError('ArtifactInvalid', `inode ${inode} has the type "${typeName.slice(0, 20)}"`, {
      hint: 'This is not a dump of juicefs.',
    });
  return {
    inode,
    type,
    flags: smallOf(attr['flags'], U8, what('flags')),
    mode: smallOf(attr['mode'], U16, what('mode')) & 0xfff,
    uid: smallOf(attr['uid'], U32, what('uid')),
    gid: smallOf(attr['gid'], U32, what('gid')),
    atime: bigOf(attr['atime'] ?? 0, what('atime')),
    atimensec: smallOf(attr['atimensec'], NANOSECONDS_MAX, what('atimensec')),
    mtime: bigOf(attr['mtime'] ?? 0, what('mtime')),
    mtimensec: smallOf(attr['mtimensec'], NANOSECONDS_MAX, what('mtimensec')),
    ctime: bigOf(attr['ctime'] ?? 0, what('ctime')),
    ctimensec: smallOf(attr['ctimensec'], NANOSECONDS_MAX, what('ctimensec')),
    nlink: smallOf(attr['nlink'], U32, what('nlink')),
    length: bigOf(attr['length'] ?? 0, what('length')),
    rdev: smallOf(attr['rdev'], U32, what('rdev')),
    tier: smallOf(attr['tier'], U8, what('tier')),
  };
};

export const readChunks = (value: Value): readonly Chunk[] =>
  listOf(value, 'chunks').map((item) => {
    const chunk = objectOf(item, 'a chunk');
    const slices = listOf(chunk['slices'], 'slices');
    const bytes = Buffer.allocUnsafe(slices.length * SLICE_BYTES);
    for (const [i, slice] of slices.entries()) putSlice(bytes, i * SLICE_BYTES, slice);
    return { index: smallOf(chunk['index'], U32, 'index of a chunk'), slices: bytes };
  });

const putSlice = (bytes: Buffer, at: number, item: Value): void => {
  const slice = objectOf(item, 'a slice');
  const id = slice['id'] ?? 0;
  // Dumps of old have the id under another name.
  const real = id === 0 ? (slice['chunkid'] ?? 0) : id;
  bytes.writeUInt32BE(smallOf(slice['pos'], U32, 'pos of a slice'), at);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, bigOf(real, 'id of a slice')), at + 4);
  bytes.writeUInt32BE(smallOf(slice['size'], U32, 'size of a slice'), at + 12);
  bytes.writeUInt32BE(smallOf(slice['off'], U32, 'off of a slice'), at + 16);
  bytes.writeUInt32BE(smallOf(slice['len'], U32, 'len of a slice'), at + 20);
};

export const readXattrs = (value: Value): readonly Xattr[] =>
  listOf(value, 'xattrs').map((item) => {
    const xattr = objectOf(item, 'an xattr');
    return {
      name: Buffer.from(textOf(xattr['name'], 'name of an xattr'), 'utf8'),
      value: unescapeName(Buffer.from(textOf(xattr['value'] ?? '', 'value of an xattr'), 'utf8')),
    };
  });

export const readAcl = (value: Value): Acl => {
  const acl = objectOf(value, 'posix_acl');
  const part = (name: string): number => smallOf(acl[name], U16, `${name} of an access rule`);
  return {
    owner: part('owner'),
    group: part('group'),
    other: part('other'),
    mask: part('mask'),
    users: readAclEntries(acl['users']),
    groups: readAclEntries(acl['groups']),
  };
};

const readAclEntries = (value: Value | undefined): readonly AclEntry[] =>
  listOf(value, 'users or groups of an access rule').map((item) => {
    const entry = objectOf(item, 'an access entry');
    return { id: smallOf(entry['id'], U32, 'id of an access entry'), perm: smallOf(entry['perm'], U16, 'perm of an access entry') };
  });
