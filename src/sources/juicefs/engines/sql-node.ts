import { type Attr, isDirectory, storedLength } from '../model.ts';
import type { Into, SqlRow } from './sql.ts';

export const NODES: Into = {
  table: 'node',
  columns: [
    ...['inode', 'type', 'flags', 'mode', 'uid', 'gid', 'atime', 'mtime', 'ctime', 'atimensec', 'mtimensec', 'ctimensec'],
    ...['nlink', 'length', 'rdev', 'parent', 'access_acl_id', 'default_acl_id', 'tier_id'],
  ],
  there: 'keep',
};

export interface Node {
  readonly attr: Attr;
  readonly parent: bigint;
  readonly symlink: Uint8Array | undefined;
  /** Numbers of access rules, 0 for none. */
  readonly accessRule: number;
  readonly defaultRule: number;
}

const micros = (seconds: bigint, nanos: number): number | bigint => {
  const near = Number(seconds) * 1e6 + Math.floor(nanos / 1000);
  return Number.isSafeInteger(near) ? near : seconds * 1_000_000n + BigInt(Math.floor(nanos / 1000));
};

/** Values in the order of the columns; links as of one name, which a later step corrects. */
export const nodeRow = ({ attr, parent, symlink, accessRule, defaultRule }: Node): SqlRow => [
  attr.inode,
  attr.type,
  attr.flags,
  attr.mode,
  attr.uid,
  attr.gid,
  micros(attr.atime, attr.atimensec),
  micros(attr.mtime, attr.mtimensec),
  micros(attr.ctime, attr.ctimensec),
  attr.atimensec % 1000,
  attr.mtimensec % 1000,
  attr.ctimensec % 1000,
  isDirectory(attr) ? 2 : 1,
  storedLength(attr, symlink),
  attr.rdev,
  parent,
  accessRule,
  defaultRule,
  attr.tier,
];
