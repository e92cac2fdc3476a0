import type { Json } from '../../../backup/types.ts';
import { escapeName } from '../format/escape.ts';
import { type Attr, type Entry, isDirectory, isLimited, type Quota, SLICE_BYTES, TYPE, TYPE_NAMES } from '../model.ts';

/** One name of a directory, without the bytes that it came with. */
export interface Listed {
  /** As `shownName` shows it. */
  readonly name: string;
  readonly inode: string;
  readonly type: string;
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  /** Of a file, in bytes. */
  readonly length: string;
  readonly mtime: string;
  readonly ctime: string;
  readonly symlink: string | null;
  readonly xattrs: { readonly [name: string]: string };
  readonly acl: boolean;
  readonly slices: number;
}

/** Escaped as in a dump, but for what a terminal shows as it is. A path may be written like this, too. */
export const shownName = (name: Uint8Array): string =>
  Buffer.from(escapeName(name))
    .toString('utf8')
    .replace(/%(20|22|5C)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (found) =>
      [...Buffer.from(found, 'utf8')].map((byte) => `%${byte.toString(16).toUpperCase()}`).join(''),
    );

export const listedOf = ({ name, attr, symlink, xattrs = [], accessAcl, defaultAcl, chunks = [] }: Entry): Listed => ({
  name: shownName(name),
  inode: String(attr.inode),
  type: TYPE_NAMES[attr.type] ?? 'unknown',
  mode: attr.mode.toString(8).padStart(4, '0'),
  uid: attr.uid,
  gid: attr.gid,
  nlink: attr.nlink,
  length: String(attr.type === TYPE.regular ? attr.length : 0n),
  mtime: timeOf(attr.mtime),
  ctime: timeOf(attr.ctime),
  symlink: symlink === undefined ? null : shownName(symlink),
  xattrs: Object.fromEntries(xattrs.map((xattr) => [shownName(xattr.name), shownName(xattr.value)])),
  acl: accessAcl !== undefined || defaultAcl !== undefined,
  slices: chunks.reduce((sum, { slices }) => sum + slices.length / SLICE_BYTES, 0),
});

/** Years that a Date has; beyond them the seconds are shown. */
const timeOf = (seconds: bigint): string => {
  const time = new Date(Number(seconds) * 1000);
  return Number.isNaN(time.getTime()) ? String(seconds) : time.toISOString().replace('.000Z', 'Z');
};

const TYPE_SIGNS: Readonly<Record<string, string>> = {
  directory: 'd',
  symlink: 'l',
  fifo: 'p',
  blockdev: 'b',
  chardev: 'c',
  socket: 's',
};

/** `drwxr-xr-x`, as ls shows it. */
export const permissions = ({ type, mode }: Pick<Listed, 'type' | 'mode'>): string => {
  const bits = Number.parseInt(mode, 8);
  const three = (shift: number, special: number, sign: string): string => {
    const run = (bits >> shift) & 1;
    const last = (bits & special) === 0 ? (run === 1 ? 'x' : '-') : run === 1 ? sign : sign.toUpperCase();
    return `${(bits >> (shift + 2)) & 1 ? 'r' : '-'}${(bits >> (shift + 1)) & 1 ? 'w' : '-'}${last}`;
  };
  return (TYPE_SIGNS[type] ?? '-') + three(6, 0o4000, 's') + three(3, 0o2000, 's') + three(0, 0o1000, 't');
};

/** Names and bytes of all that is below a directory. */
export interface Sum {
  entries: bigint;
  files: bigint;
  directories: bigint;
  bytes: bigint;
}

export const emptySum = (): Sum => ({ entries: 0n, files: 0n, directories: 0n, bytes: 0n });

export const addTo = (sum: Sum, attr: Attr): void => {
  sum.entries++;
  if (isDirectory(attr)) sum.directories++;
  if (attr.type !== TYPE.regular) return;
  sum.files++;
  sum.bytes += attr.length;
};

export const sumJson = ({ entries, files, directories, bytes }: Sum): Json => ({
  entries: String(entries),
  files: String(files),
  directories: String(directories),
  bytes: String(bytes),
});

/** Null for what has no limit. */
export const quotaJson = (quota: Quota | undefined): Json => {
  if (quota === undefined || !isLimited(quota)) return null;
  const limit = (value: bigint): string | null => (value < 0n ? null : String(value));
  return { maxSpace: limit(quota.maxSpace), maxInodes: limit(quota.maxInodes) };
};

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `12.3 GiB`; whole numbers as they are. */
export const sizeWords = (bytes: bigint): string => {
  let unit = 0;
  let value = Number(bytes);
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || Number.isInteger(value) ? value : value.toFixed(1)} ${UNITS[unit]}`;
};

/** `10 GiB, 1000 inodes`; empty for what has no limit. */
export const quotaWords = (quota: Quota | undefined): string => {
  if (quota === undefined || !isLimited(quota)) return '';
  const space = quota.maxSpace < 0n ? [] : [sizeWords(quota.maxSpace)];
  return [...space, ...(quota.maxInodes < 0n ? [] : [`${quota.maxInodes} inodes`])].join(', ');
};
