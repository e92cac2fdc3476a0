/** What a volume's metadata is made of, whatever engine holds it. Names, targets and values are raw bytes; 64-bit numbers are bigint. */

export const ROOT_INODE = 1n;
/** 0x7FFFFFFF10000000: the trash; the hour folders in it follow. Beyond 2^53. */
export const TRASH_INODE = 9223372032828243968n;

/** A chunk is 2^26 bytes of a file. */
export const CHUNK_BITS = 26;
export const CHUNK_BYTES = 1n << BigInt(CHUNK_BITS);
/** One slice of a chunk as all engines store it: pos u32, id u64, size u32, off u32, len u32, most significant byte first. */
export const SLICE_BYTES = 24;

export const TYPE = { regular: 1, directory: 2, symlink: 3, fifo: 4, blockdev: 5, chardev: 6, socket: 7 } as const;

export const TYPE_NAMES = ['unknown', 'regular', 'directory', 'symlink', 'fifo', 'blockdev', 'chardev', 'socket'] as const;

export interface Attr {
  readonly inode: bigint;
  readonly type: number;
  readonly flags: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds, and nanoseconds below one. */
  readonly atime: bigint;
  readonly atimensec: number;
  readonly mtime: bigint;
  readonly mtimensec: number;
  readonly ctime: bigint;
  readonly ctimensec: number;
  readonly nlink: number;
  readonly length: bigint;
  readonly rdev: number;
  readonly tier: number;
}

/** The root of the trash, as a volume that was just formatted has it. */
export const trashAttr = (seconds: bigint, nanoseconds: number): Attr => ({
  inode: TRASH_INODE,
  type: TYPE.directory,
  flags: 0,
  mode: 0o555,
  uid: 0,
  gid: 0,
  atime: seconds,
  atimensec: nanoseconds,
  mtime: seconds,
  mtimensec: nanoseconds,
  ctime: seconds,
  ctimensec: nanoseconds,
  nlink: 2,
  length: 0n,
  rdev: 0,
  tier: 0,
});

export interface Xattr {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

export interface AclEntry {
  readonly id: number;
  readonly perm: number;
}

export interface Acl {
  readonly owner: number;
  readonly group: number;
  readonly other: number;
  /** 65535 stands for none. */
  readonly mask: number;
  readonly users: readonly AclEntry[];
  readonly groups: readonly AclEntry[];
}

export interface Chunk {
  readonly index: number;
  /** Slices of SLICE_BYTES each, in the order in which they were written. */
  readonly slices: Uint8Array;
}

/** One occurrence of an inode in the tree: an inode with several links occurs several times. */
export interface Entry {
  readonly name: Uint8Array;
  readonly attr: Attr;
  readonly symlink?: Uint8Array;
  readonly xattrs?: readonly Xattr[];
  readonly accessAcl?: Acl;
  readonly defaultAcl?: Acl;
  readonly chunks?: readonly Chunk[];
}

export type Tree = 'FSTree' | 'Trash';

export interface DelFile {
  readonly inode: bigint;
  readonly length: bigint;
  /** Unix seconds. */
  readonly expire: bigint;
}

export interface Sustained {
  readonly sid: bigint;
  readonly inodes: readonly bigint[];
}

/** −1 is without limit. */
export interface Quota {
  readonly maxSpace: bigint;
  readonly maxInodes: bigint;
}

export type Quotas = ReadonlyMap<bigint, Quota>;

/** As the dump writes them: nextInodes and nextChunk are the next ones, also where an engine stores the last ones. */
export interface Counters {
  readonly usedSpace: bigint;
  readonly usedInodes: bigint;
  readonly nextInodes: bigint;
  readonly nextChunk: bigint;
  readonly nextSession: bigint;
  readonly nextTrash: bigint;
  readonly nextCleanupSlices: bigint;
  readonly lastChangelog: bigint;
}

/** Everything before the trees. */
export interface Head {
  /** JSON of the volume's format, as the engine has it. */
  readonly setting: string;
  readonly counters: Counters;
  readonly sustained: readonly Sustained[];
  readonly delFiles: readonly DelFile[];
  readonly quotas: Quotas;
  readonly userQuotas: Quotas;
  readonly groupQuotas: Quotas;
}

export const isDirectory = (attr: Pick<Attr, 'type'>): boolean => attr.type === TYPE.directory;

/** Length as an engine stores it: juicefs gives directories 4096 and symlinks that of their target. */
export const storedLength = (attr: Pick<Attr, 'type' | 'length'>, symlink: Uint8Array | undefined): bigint => {
  if (attr.type === TYPE.regular) return attr.length;
  if (isDirectory(attr)) return 4096n;
  return attr.type === TYPE.symlink ? BigInt(symlink?.length ?? 0) : 0n;
};

/** Space that a file of this length is counted with, in bytes. */
export const align4K = (length: bigint): bigint => (length === 0n ? 4096n : ((length + 4095n) / 4096n) * 4096n);

const UNLIMITED = -1n;
export const isLimited = ({ maxSpace, maxInodes }: Quota): boolean => maxSpace !== UNLIMITED || maxInodes !== UNLIMITED;

export const holdsChunks = (attr: Pick<Attr, 'type' | 'length'>): boolean => attr.type === TYPE.regular && attr.length > 0n;
