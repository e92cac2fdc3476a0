import { ROOT_INODE, TRASH_INODE } from '../model.ts';
import { binary, integer, type SqlSession } from './sql.ts';

/** A name, and the directories from a root of a tree down to it: the first has no name. */
export interface Place {
  readonly directories: readonly { readonly inode: bigint; readonly name: Uint8Array }[];
  readonly name: Uint8Array;
  readonly inode: bigint;
  readonly isDirectory: boolean;
}

/** A tree is not deeper; a circle has no end. */
const DEPTH_MAX = 4096;

/**
 * Names that lie about evenly apart in a volume, in no order: every so many edges as they were made. Nothing is gone through for them.
 * There are fewer than were asked for where edges are gone, or lead to no root.
 */
export const sampleNames = async ({ dialect, rows }: SqlSession, count: number): Promise<readonly Place[]> => {
  const edge = dialect.table('edge');
  const doing = 'choosing where to cut';
  const type = dialect.column('type');
  const [ends] = await rows(`SELECT (SELECT min(id) FROM ${edge}), (SELECT max(id) FROM ${edge})`, doing);
  const from = integer(ends?.[0] ?? 0n);
  const wide = integer(ends?.[1] ?? 0n) - from;
  const known = new Map<bigint, Place['directories'] | undefined>(
    [ROOT_INODE, TRASH_INODE].map((inode) => [inode, [{ inode, name: NO_NAME }]]),
  );
  const pathOf = async (inode: bigint, depth: number): Promise<Place['directories'] | undefined> => {
    if (known.has(inode)) return known.get(inode);
    const [row] =
      depth > DEPTH_MAX
        ? []
        : await rows(`SELECT parent, ${dialect.raw('name')} FROM ${edge} WHERE inode = ${inode} AND ${type} = 2 LIMIT 1`, doing);
    const above = row === undefined ? undefined : await pathOf(integer(row[0]), depth + 1);
    const path = above === undefined ? undefined : [...above, { inode, name: binary(row?.[1]) }];
    known.set(inode, path);
    return path;
  };
  const places: Place[] = [];
  for (let i = 1; i < count; i++) {
    const id = from + (wide * BigInt(i)) / BigInt(count);
    const [row] = await rows(
      `SELECT parent, ${dialect.raw('name')}, inode, ${type} FROM ${edge} WHERE id >= ${id} ORDER BY id LIMIT 1`,
      doing,
    );
    const directories = row === undefined ? undefined : await pathOf(integer(row[0]), 0);
    if (row !== undefined && directories !== undefined)
      places.push({ directories, name: binary(row[1]), inode: integer(row[2]), isDirectory: Number(row[3]) === 2 });
  }
  return places;
};

const NO_NAME = new Uint8Array();
