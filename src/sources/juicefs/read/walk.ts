import { z } from 'zod';
import type { Content, Edge, Page, Reader } from '../engines/reader.ts';
import { type Attr, type Entry, TYPE } from '../model.ts';

/** Edges of the directory at hand that are read at once; of a local reader, few enough to be forgotten soon. */
const PAGE_EDGES = 1000;
const LOCAL_PAGE_EDGES = 200;
/** … and of a directory that comes soon. */
const AHEAD_EDGES = 128;
/** Directories that are read at once. */
const AHEAD_DIRECTORIES = 64;
/** Edges held of directories that come soon: what bounds the memory of a walk. */
const AHEAD_MAX_EDGES = 8192;

/** Where a walk stands: the directories that are open, from the root down, and the last name that was entered in the innermost. */
export const PositionSchema = z.strictObject({
  /** Inode in decimal; name in base64, empty for the root. */
  open: z.array(z.strictObject({ inode: z.string().regex(/^\d{1,20}$/), name: z.string() })).min(1),
  after: z.string().nullable(),
});
export type Position = z.output<typeof PositionSchema>;

export const atRoot = (inode: bigint): Position => ({ open: [{ inode: String(inode), name: '' }], after: null });

export type Step =
  | { readonly kind: 'enter'; readonly entry: Entry; readonly parent: bigint; readonly depth: number; readonly first: boolean }
  | { readonly kind: 'leave'; readonly depth: number };

/** Goes through a tree in the order of a dump: each directory by the bytes of its names, a directory before what is in it. */
export interface Walk {
  /** The next step; `load` when more must be read first; undefined at the end, with the root still open. */
  next(): Step | 'load' | undefined;
  load(): Promise<void>;
  position(): Position;
}

interface Loaded extends Page {
  readonly contents: ReadonlyMap<bigint, Content>;
}

interface Frame {
  readonly inode: bigint;
  readonly name: Uint8Array;
  after: Uint8Array | undefined;
  page: Loaded | undefined;
  at: number;
}

const NOTHING: ReadonlyMap<bigint, Content> = new Map();

/** `edgesOnly`: entries have their names, inodes and types, and nothing else. */
export const openWalk = (reader: Reader, from: Position, options: { readonly edgesOnly?: boolean } = {}): Walk => {
  const frames: Frame[] = from.open.map(({ inode, name }, index) => {
    const below = from.open[index + 1]?.name ?? from.after;
    return {
      inode: BigInt(inode),
      name: Buffer.from(name, 'base64'),
      after: below === null || below === undefined ? undefined : Buffer.from(below, 'base64'),
      page: undefined,
      at: 0,
    };
  });
  const ahead = new Map<bigint, Loaded>();
  let aheadEdges = 0;

  const upcoming = (): bigint[] => {
    const found: bigint[] = [];
    for (let level = frames.length - 1; level >= 0 && found.length < AHEAD_DIRECTORIES; level--) {
      const frame = frames[level] as Frame;
      const edges = frame.page?.edges ?? [];
      for (let i = frame.at; i < edges.length && found.length < AHEAD_DIRECTORIES; i++) {
        const { type, inode } = edges[i] as Edge;
        if (type === TYPE.directory && !ahead.has(inode)) found.push(inode);
      }
      // What lies further out comes much later.
      if (found.length > 0) break;
    }
    return found;
  };

  const load = async (): Promise<void> => {
    const frame = frames.at(-1);
    if (frame === undefined || frame.page !== undefined) return;
    const room = Math.floor((AHEAD_MAX_EDGES - aheadEdges) / AHEAD_EDGES);
    const soon = frame.after === undefined && reader.local !== true ? upcoming().slice(0, Math.max(0, room)) : [];
    const pages = await reader.pages([
      { directory: frame.inode, after: frame.after, limit: reader.local === true ? LOCAL_PAGE_EDGES : PAGE_EDGES },
      ...soon.map((directory) => ({ directory, after: undefined, limit: AHEAD_EDGES })),
    ]);
    const edges = pages.flatMap((page) => page.edges);
    const contents = options.edgesOnly === true || edges.length === 0 ? NOTHING : await reader.contents(edges);
    const [own, ...others] = pages.map((page) => ({ ...page, contents }));
    frame.page = own;
    frame.at = 0;
    for (const [i, page] of others.entries()) {
      ahead.set(soon[i] as bigint, page);
      aheadEdges += page.edges.length;
    }
  };

  const enter = (frame: Frame, edge: Edge, contents: ReadonlyMap<bigint, Content>): Step => {
    const depth = frames.length - 1;
    const first = frame.after === undefined;
    frame.after = edge.name;
    frame.at++;
    const content = contents.get(edge.inode) ?? { attr: bare(edge) };
    const entry: Entry = { ...content, name: edge.name };
    if (content.attr.type === TYPE.directory) {
      const page = ahead.get(edge.inode);
      if (page !== undefined) {
        ahead.delete(edge.inode);
        aheadEdges -= page.edges.length;
      }
      frames.push({ inode: edge.inode, name: edge.name, after: undefined, page, at: 0 });
    }
    return { kind: 'enter', entry, parent: frame.inode, depth, first };
  };

  return {
    next() {
      for (;;) {
        const frame = frames.at(-1);
        if (frame === undefined) return undefined;
        if (frame.page === undefined) return 'load';
        const edge = frame.page.edges[frame.at];
        if (edge !== undefined) return enter(frame, edge, frame.page.contents);
        if (frame.page.more) {
          frame.page = undefined;
          continue;
        }
        if (frames.length === 1) return undefined;
        frames.pop();
        return { kind: 'leave', depth: frames.length - 1 };
      }
    },
    load,
    position: () => ({
      open: frames.map(({ inode, name }) => ({ inode: String(inode), name: base64(name) })),
      after: frames.at(-1)?.after === undefined ? null : base64(frames.at(-1)?.after as Uint8Array),
    }),
  };
};

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

/** What juicefs writes for an edge whose node is gone. */
export const bare = ({ inode, type }: Pick<Edge, 'inode' | 'type'>): Attr => ({
  inode,
  type,
  flags: 0,
  mode: 0,
  uid: 0,
  gid: 0,
  atime: 0n,
  atimensec: 0,
  mtime: 0n,
  mtimensec: 0,
  ctime: 0n,
  ctimensec: 0,
  nlink: type === TYPE.directory ? 2 : 1,
  length: 0n,
  rdev: 0,
  tier: 0,
});
