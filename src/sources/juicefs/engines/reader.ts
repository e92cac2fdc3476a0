import type { Entry, Head } from '../model.ts';

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

/** Reads one volume, at one instant where the engine has one. Several calls at a time are not allowed. */
export interface Reader {
  /** Set where asking costs no round trip: then nothing is asked for before it is needed. */
  readonly local?: true;
  head(): Promise<Head>;
  /** In the order of the requests. */
  pages(requests: readonly PageRequest[]): Promise<readonly Page[]>;
  /** By inode, for those that are there; the type of an edge whose node is missing comes from the edge. */
  contents(edges: readonly Pick<Edge, 'inode' | 'type'>[]): Promise<ReadonlyMap<bigint, Content>>;
  close(): Promise<void>;
}
