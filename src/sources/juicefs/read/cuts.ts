import type { Place } from '../engines/sql-cuts.ts';
import type { Stretch } from './document.ts';
import { type Scope, wholeStretches } from './plan.ts';
import type { Position } from './walk.ts';

/** The trees of a dump in stretches that end with names which were chosen anywhere, in the order of the document. */
export const cutAt = (places: readonly Place[], scope: Scope): Stretch[] =>
  wholeStretches(scope).flatMap(({ tree, root: inode, follows, ends }) => {
    const root = BigInt(inode);
    const inTree = distinct(places.flatMap((place) => below(place, root) ?? []).sort(inOrderOfDump));
    return [...inTree, undefined].map((last, index): Stretch => {
      const before = inTree[index - 1];
      return {
        tree,
        root,
        from: before === undefined ? null : after(before),
        entries: null,
        ...(last === undefined ? {} : { last: { parent: last.directories.at(-1)?.inode ?? root, name: last.name } }),
        follows: follows && before === undefined,
        ends,
      };
    });
  });

/** A place as it is seen from one of its folders; undefined where that is none of them. */
const below = (place: Place, root: bigint): Place | undefined => {
  const at = place.directories.findIndex(({ inode }) => inode === root);
  return at < 0 ? undefined : { ...place, directories: place.directories.slice(at) };
};

/** The names that lead to a place. */
const namesOf = ({ directories, name }: Place): readonly Uint8Array[] => [...directories.slice(1).map((one) => one.name), name];

/** A directory comes before what is in it. */
const inOrderOfDump = (a: Place, b: Place): number => {
  const [left, right] = [namesOf(a), namesOf(b)];
  for (const [i, name] of left.entries()) {
    const other = right[i];
    if (other === undefined) return 1;
    const order = Buffer.compare(name, other);
    if (order !== 0) return order;
  }
  return left.length - right.length;
};

const distinct = (sorted: readonly Place[]): Place[] =>
  sorted.filter((place, i) => i === 0 || inOrderOfDump(sorted[i - 1] as Place, place) !== 0);

/** Where a walk goes on that has entered it. */
const after = ({ directories, name, inode, isDirectory }: Place): Position => {
  const open = directories.map((one, level) => ({ inode: String(one.inode), name: level === 0 ? '' : base64(one.name) }));
  return isDirectory ? { open: [...open, { inode: String(inode), name: base64(name) }], after: null } : { open, after: base64(name) };
};

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
