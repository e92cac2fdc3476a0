import { bare, type EntryPage, type PageRequest, type Reader } from '../engines/reader.ts';
import { type Entry, TYPE } from '../model.ts';

/** Names of the directory at hand that are read at once; of a local reader, few enough to be forgotten soon. */
const PAGE_NAMES = 1000;
const LOCAL_PAGE_NAMES = 200;
/** … and of a directory that comes soon. */
const AHEAD_NAMES = 128;
/** Directories that are read at once. */
const AHEAD_DIRECTORIES = 24;
/** Names held of directories that come soon: what bounds the memory of a walk. More of them only keep the collector busy. */
const AHEAD_NAMES_MAX = 3072;

/** Where a walk stands: the directories that are open, from the root down, and the last name that was entered in the innermost. */
export interface Position {
  /** Inode in decimal; name in base64, empty for the root. */
  readonly open: { inode: string; name: string }[];
  readonly after: string | null;
}

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
  /** To be called when it is left before its end: until then its reader may be busy. */
  leave(): Promise<void>;
}

interface Frame {
  readonly inode: bigint;
  readonly name: Uint8Array;
  after: Uint8Array | undefined;
  page: EntryPage | undefined;
  at: number;
}

interface Ahead {
  readonly page: EntryPage;
  /** What it follows in its directory. */
  readonly after: Uint8Array | undefined;
}

export interface WalkOptions {
  /** Entries have their names, inodes and types, and nothing else. */
  readonly edgesOnly?: boolean;
  /** Names after which nobody goes on; what lies beyond is not read ahead. */
  readonly most?: number | null;
}

export const openWalk = (reader: Reader, from: Position, { edgesOnly = false, most = null }: WalkOptions = {}): Walk => {
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
  /** Pages that come soon, by directory: the first, or of one that is open the next. */
  const ahead = new Map<bigint, Ahead>();
  let aheadNames = 0;
  let entered = 0;
  /** What was asked for before it is needed, while the names before it are written. */
  let coming: Promise<void> | undefined;

  /** What is not known yet, in the order in which it is needed. */
  const upcoming = (): PageRequest[] => {
    const found: PageRequest[] = [];
    let room = Math.min(AHEAD_NAMES_MAX, most === null ? AHEAD_NAMES_MAX : most - entered) - aheadNames;
    const want = (directory: bigint, after: Uint8Array | undefined, limit: number): void => {
      found.push({ directory, after, limit });
      room -= limit;
    };
    const look = ({ entries }: EntryPage, at: number): void => {
      for (let i = at; i < entries.length && found.length < AHEAD_DIRECTORIES && room > 0; i++) {
        const { type, inode } = (entries[i] as Entry).attr;
        if (type !== TYPE.directory) continue;
        const known = ahead.get(inode);
        if (known === undefined) want(inode, undefined, AHEAD_NAMES);
        else look(known.page, 0);
      }
    };
    for (let level = frames.length - 1; level >= 0 && found.length < AHEAD_DIRECTORIES && room > 0; level--) {
      const { inode, after, page, at } = frames[level] as Frame;
      if (page !== undefined) look(page, at);
      if (page?.more === false || room <= 0) continue;
      // Before what follows here, nothing further out is needed.
      if (!ahead.has(inode)) want(inode, page?.entries.at(-1)?.name ?? after, PAGE_NAMES);
      break;
    }
    return found;
  };

  const ask = async (requests: readonly PageRequest[]): Promise<void> => {
    const pages = edgesOnly ? await namesOf(reader, requests) : await reader.entries(requests);
    for (const [i, page] of pages.entries()) {
      const { directory, after } = requests[i] as PageRequest;
      ahead.set(directory, { page, after });
      aheadNames += page.entries.length;
    }
  };

  const lookAhead = (): void => {
    if (reader.local === true || coming !== undefined || aheadNames > AHEAD_NAMES_MAX / 2) return;
    const soon = upcoming();
    if (soon.length === 0) return;
    coming = ask(soon).then(() => {
      coming = undefined;
      lookAhead();
    });
    // Whoever needs it is told.
    coming.catch(() => {});
  };

  /** Whether the next page of a directory was there. */
  const turnPage = (frame: Frame): boolean => {
    const next = ahead.get(frame.inode);
    if (next === undefined || !isSame(next.after, frame.after)) return false;
    ahead.delete(frame.inode);
    aheadNames -= next.page.entries.length;
    frame.page = next.page;
    frame.at = 0;
    lookAhead();
    return true;
  };

  const load = async (): Promise<void> => {
    while (coming !== undefined) await coming;
    const frame = frames.at(-1);
    if (frame === undefined || frame.page !== undefined || turnPage(frame)) return;
    const own = { directory: frame.inode, after: frame.after, limit: reader.local === true ? LOCAL_PAGE_NAMES : PAGE_NAMES };
    const others = reader.local === true ? [] : upcoming().filter(({ directory }) => directory !== frame.inode);
    await ask([own, ...others]);
    turnPage(frame);
  };

  const enter = (frame: Frame, entry: Entry): Step => {
    const depth = frames.length - 1;
    const first = frame.after === undefined;
    frame.after = entry.name;
    frame.at++;
    entered++;
    const { type, inode } = entry.attr;
    if (type === TYPE.directory) frames.push({ inode, name: entry.name, after: undefined, page: undefined, at: 0 });
    return { kind: 'enter', entry, parent: frame.inode, depth, first };
  };

  return {
    next() {
      for (;;) {
        const frame = frames.at(-1);
        if (frame === undefined) return undefined;
        if (frame.page === undefined && !turnPage(frame)) return 'load';
        const entry = frame.page?.entries[frame.at];
        if (entry !== undefined) return enter(frame, entry);
        if (frame.page?.more === true) {
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
    async leave() {
      while (coming !== undefined) await coming;
    },
  };
};

const isSame = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : Buffer.compare(a, b) === 0;

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

const namesOf = async (reader: Reader, requests: readonly PageRequest[]): Promise<readonly EntryPage[]> =>
  (await reader.pages(requests)).map(({ edges, more }) => ({
    entries: edges.map((edge) => ({ name: edge.name, attr: bare(edge) })),
    more,
  }));
