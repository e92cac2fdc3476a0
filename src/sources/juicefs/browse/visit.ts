import type { Segment } from '../../../backup/types.ts';
import type { Handler } from '../format/parse.ts';
import { type Entry, isDirectory, ROOT_INODE } from '../model.ts';
import { contextOf } from '../restore-input.ts';
import type { Path } from './mark.ts';

/** A directory on the way from the root to the entry at hand. */
export interface Step {
  readonly inode: bigint;
  readonly name: Uint8Array;
  /** Whether the path that is looked for goes through it, or ends with it. */
  readonly onPath: boolean;
}

export interface Visitor {
  /** A directory on the path, from the root down; perhaps known by its name and inode alone. */
  passed(step: Step): void;
  /** What the path names. */
  found(entry: Entry): void;
  /** A name in it. */
  child(entry: Entry): void;
  /** Anything below it, its own names included. */
  below(entry: Entry): void;
}

/** Tells of each entry of a segment where it stands towards a path. Holds the directories that are open, and nothing else. */
export const visitSegment = (segment: Segment, path: Path, visitor: Visitor): Handler => {
  const chain: Step[] = [];
  const enter = (inode: bigint, name: Uint8Array): void => {
    const depth = chain.length;
    const onPath =
      depth === 0 ||
      (depth <= path.length && chain[depth - 1]?.onPath === true && Buffer.compare(name, path[depth - 1] as Uint8Array) === 0);
    const step = { inode, name, onPath };
    chain.push(step);
    if (onPath) visitor.passed(step);
  };
  const context = contextOf(segment);
  if (context.kind === 'tree')
    for (const [depth, { inode, name }] of (context.open ?? []).entries())
      enter(depth === 0 && context.tree === 'FSTree' ? ROOT_INODE : BigInt(inode), Buffer.from(name, 'base64'));
  return {
    field: () => {},
    root(_tree, entry) {
      if (path.length === 0) visitor.found(entry);
      enter(entry.attr.inode, entry.name);
    },
    entry(entry, parent) {
      while (chain.length > 1 && chain.at(-1)?.inode !== parent) chain.pop();
      const depth = chain.length;
      if (depth > path.length && chain[path.length]?.onPath === true) {
        visitor.below(entry);
        if (depth === path.length + 1) visitor.child(entry);
      } else if (depth === path.length && chain.at(-1)?.onPath === true && Buffer.compare(entry.name, path[depth - 1] as Uint8Array) === 0)
        visitor.found(entry);
      // The name is copied: it is a view of all the bytes that it came with.
      if (isDirectory(entry.attr)) enter(entry.attr.inode, Buffer.from(entry.name));
    },
  };
};
