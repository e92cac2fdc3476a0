import { type Acl, type Attr, type Entry, type Head, TYPE } from '../model.ts';

/** A name in a directory. */
export interface Edge {
  readonly name: Uint8Array;
  readonly inode: bigint;
  readonly type: number;
}

export interface PageRequest {
  readonly directory: bigint;
  /** The last name that is known; undefined for the first page. */
  readonly after: Uint8Array | undefined;
  readonly limit: number;
}

/** Edges in the order of the bytes of their names. */
export interface Page {
  readonly edges: readonly Edge[];
  /** Whether a next page is worth asking for. */
  readonly more: boolean;
}

/** All that an inode has, whatever its names. */
export type Content = Omit<Entry, 'name'>;

/** A page with what its inodes have; where a node is missing, what its edge says. */
export interface EntryPage {
  readonly entries: readonly Entry[];
  readonly more: boolean;
}

/** Filled as it is found. */
export type EntryDraft = { -readonly [Field in keyof Entry]: Entry[Field] };

/** Access rules by number. */
export type Acls = ReadonlyMap<number, Acl>;

/** Reads one volume, at one instant where the engine has one. Several calls at a time are not allowed. */
export interface Reader {
  /** Set where asking costs no round trip: then nothing is asked for before it is needed. */
  readonly local?: true;
  head(): Promise<Head>;
  /** In the order of the requests. */
  pages(requests: readonly PageRequest[]): Promise<readonly Page[]>;
  /** As `pages`, with all that the inodes have. */
  entries(requests: readonly PageRequest[]): Promise<readonly EntryPage[]>;
  /** By inode, for those that are there; the type of an edge whose node is missing comes from the edge. */
  contents(edges: readonly Pick<Edge, 'inode' | 'type'>[]): Promise<ReadonlyMap<bigint, Content>>;
  close(): Promise<void>;
}

/** `entries` of a reader that asks for names first. */
export const entriesOf = async (
  { pages, contents }: Pick<Reader, 'pages' | 'contents'>,
  requests: readonly PageRequest[],
): Promise<readonly EntryPage[]> => {
  const found = await pages(requests);
  const edges = found.length === 1 && found[0] !== undefined ? found[0].edges : found.flatMap((page) => page.edges);
  const known: ReadonlyMap<bigint, Content> = edges.length === 0 ? new Map() : await contents(edges);
  return found.map((page) => ({
    entries: page.edges.map((edge) => ({ ...(known.get(edge.inode) ?? { attr: bare(edge) }), name: edge.name })),
    more: page.more,
  }));
};

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
