import { LifeboatError } from '../../../errors.ts';
import { bare, type Reader } from '../engines/reader.ts';
import { textBuffer } from '../format/text-buffer.ts';
import { BETWEEN_TREES, closeEntry, DOCUMENT_END, TREE_END, writeEntry, writeTree } from '../format/write-entry.ts';
import { type Entry, ROOT_INODE, TRASH_INODE, type Tree } from '../model.ts';
import { atRoot, openWalk, type Position, type Step, type Walk } from './walk.ts';

/** What a reader of a stretch is told of, in the order of the document. */
export interface Sink {
  root(tree: Tree, entry: Entry): void;
  entry(entry: Entry, parent: bigint): void;
}

/** A piece of the document: a stretch of one tree. */
export interface Stretch {
  readonly tree: Tree;
  /** Inode of the tree's root in the source; the document and what is loaded from it have 1 for it, when it is a folder. */
  readonly root: bigint;
  /** Where it goes on; null at the beginning of the tree. */
  readonly from: Position | null;
  /** Entries in it; null up to the end of the tree. */
  readonly entries: number | null;
  /** In place of a number: the last entry in it. */
  readonly last?: { readonly parent: bigint; readonly name: Uint8Array };
  /** Whether another tree comes before it, and whether the document ends with it. */
  readonly follows: boolean;
  readonly ends: boolean;
}

/** Goes through a stretch, piece by piece. */
export interface StretchReader {
  /** Text of the document, once enough has gathered; undefined at the end of the stretch. */
  next(): Promise<Uint8Array | undefined>;
  /** Takes such text back, once nobody reads it any more. */
  giveBack(text: Uint8Array): void;
  /** What the text that was handed out leads up to. */
  position(): Position;
  readonly entries: number;
  /** Whether all of it was handed out. */
  readonly ended: boolean;
}

const nameless = new Uint8Array();

export const rootEntry = async (reader: Reader, inode: bigint): Promise<Entry> => {
  const edge = { inode, type: 2 };
  const content = (await reader.contents([edge])).get(inode);
  return { ...(content ?? { attr: bare(edge) }), name: nameless };
};

export const rootOf = (tree: Tree): bigint => (tree === 'FSTree' ? ROOT_INODE : TRASH_INODE);

export const openStretch = (reader: Reader, stretch: Stretch, sink: Sink | undefined, out = textBuffer()): StretchReader => {
  const { last } = stretch;
  let atLast = false;
  let walk: Walk | undefined;
  let entries = 0;
  let ended = false;
  const begin = async (): Promise<Walk> => {
    const { entries: most } = stretch;
    if (stretch.from !== null) return openWalk(reader, stretch.from, { most });
    const root = await rootEntry(reader, stretch.root);
    if (stretch.follows) out.ascii(BETWEEN_TREES);
    writeTree(out, stretch.tree, root);
    sink?.root(stretch.tree, root);
    return openWalk(reader, atRoot(stretch.root), { most });
  };
  const take = (step: Step): void => {
    if (step.kind === 'leave') {
      closeEntry(out, step.depth);
      return;
    }
    entries++;
    writeEntry(out, step.entry, step.depth, step.first);
    sink?.entry(step.entry, step.parent);
    if (last !== undefined && step.parent === last.parent && Buffer.compare(step.entry.name, last.name) === 0) atLast = true;
  };
  const end = (): Uint8Array | undefined => {
    if (stretch.entries === null && last === undefined && !ended) {
      out.ascii(TREE_END);
      if (stretch.ends) out.ascii(DOCUMENT_END);
    }
    ended = true;
    return out.take(true);
  };
  return {
    async next() {
      if (ended) return undefined;
      walk ??= await begin();
      for (;;) {
        if (atLast || (stretch.entries !== null && entries >= stretch.entries)) {
          await walk.leave();
          return end();
        }
        const step = walk.next();
        if (step === undefined) {
          if (last !== undefined) throw new LifeboatError('SourceChanged', 'a name that a part of the dump ends with was not met');
          return end();
        }
        if (step === 'load') {
          const ready = out.take();
          if (ready !== undefined) return ready;
          await walk.load();
        } else take(step);
        const ready = out.take();
        if (ready !== undefined) return ready;
      }
    },
    giveBack: (text) => out.giveBack(text),
    position: () => walk?.position() ?? stretch.from ?? atRoot(stretch.root),
    get entries() {
      return entries;
    },
    get ended() {
      return ended;
    },
  };
};
