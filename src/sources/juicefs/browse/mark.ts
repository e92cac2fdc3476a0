import type { Segment } from '../../../backup/types.ts';
import type { Tree } from '../model.ts';
import { contextOf } from '../restore-input.ts';

/** Names from the root of a tree down, as raw bytes; the root itself has none. */
export type Path = readonly Uint8Array[];

/**
 * Where a segment begins, in the order of a dump: a directory before what is in it, names by their bytes. All up to `last` stands
 * before it; `whole`: and all that is below `last`. Undefined before the root itself.
 */
export type Mark = { readonly last: Path; readonly whole: boolean } | undefined;

/** A segment of a tree, from its beginning up to where the next one begins; without an end up to the end of the tree. */
export interface Stretch {
  readonly segment: Segment;
  readonly from: Mark;
  readonly to: Mark;
}

export const stretchesOf = (segments: readonly Segment[], tree: Tree): Stretch[] => {
  const own = segments.filter((segment) => {
    const context = contextOf(segment);
    return context.kind === 'tree' && context.tree === tree;
  });
  return own.map((segment, index) => {
    const next = own[index + 1];
    return { segment, from: markOf(segment), to: next === undefined ? undefined : markOf(next) };
  });
};

const markOf = (segment: Segment): Mark => {
  const context = contextOf(segment);
  if (context.kind === 'head' || context.open === null) return undefined;
  const open = context.open.slice(1).map(({ name }) => Buffer.from(name, 'base64'));
  return context.after === null ? { last: open, whole: false } : { last: [...open, Buffer.from(context.after, 'base64')], whole: true };
};

/** What of a directory is asked for. */
export interface Wanted {
  readonly path: Path;
  /** Only names after this one. */
  readonly after: Uint8Array | undefined;
  /** All that is below it, and not only its own names. */
  readonly below: boolean;
}

/** Whether a segment holds the thing itself, or a name in it: what lies within one folder of it from end to end holds neither. */
export const isNeeded = ({ from, to }: Stretch, { path, after, below }: Wanted): boolean => {
  if (!isBefore(path, from) && (to === undefined || isBefore(path, to))) return true;
  if (from !== undefined && isOver(path, from)) return false;
  if (to === undefined) return true;
  const last = nameIn(path, to);
  if (last === undefined) return isOver(path, to);
  if (below) return true;
  if (after !== undefined && Buffer.compare(last, after) <= 0) return false;
  const first = from === undefined ? undefined : nameIn(path, from);
  return first === undefined || Buffer.compare(first, last) !== 0;
};

/** Whether the thing at `path` stands before the mark. */
const isBefore = (path: Path, mark: Mark): boolean => {
  if (mark === undefined) return false;
  const order = compareNames(path, mark.last);
  return order === 0 ? path.length <= mark.last.length || mark.whole : order < 0;
};

/** Whether it does with all that is below it. */
const isOver = (path: Path, mark: NonNullable<Mark>): boolean => {
  const order = compareNames(path, mark.last);
  return order === 0 ? path.length >= mark.last.length && mark.whole : order < 0;
};

/** The name in the directory `path` that the mark is at, or below. */
const nameIn = (path: Path, { last }: NonNullable<Mark>): Uint8Array | undefined =>
  last.length > path.length && compareNames(path, last) === 0 ? last[path.length] : undefined;

/** By the first name that differs; 0 where one is the beginning of the other. */
const compareNames = (a: Path, b: Path): number => {
  for (const [level, name] of a.entries()) {
    const other = b[level];
    if (other === undefined) return 0;
    const order = Buffer.compare(name, other);
    if (order !== 0) return order;
  }
  return 0;
};
