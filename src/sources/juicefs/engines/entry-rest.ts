import { CHUNK_BYTES, TYPE } from '../model.ts';
import type { EntryDraft } from './reader.ts';
import { binary, integer, type SqlRow, small } from './sql.ts';

/** What few entries have, by inode: each is asked for only where it may be. */
export interface Rest {
  /** inode, index, slices: of files that have more than one chunk. */
  chunks(inodes: readonly bigint[]): Promise<readonly SqlRow[]> | readonly SqlRow[];
  /** inode, target. */
  targets(inodes: readonly bigint[]): Promise<readonly SqlRow[]> | readonly SqlRow[];
  /** inode, name, value. Absent where no inode has any. */
  xattrs?(inodes: readonly bigint[]): Promise<readonly SqlRow[]> | readonly SqlRow[];
}

/** Completes entries that have what stands in their node and its first chunk. */
export const fillRest = async (entries: readonly EntryDraft[], { chunks, targets, xattrs }: Rest): Promise<void> => {
  const large = entries.filter(({ attr }) => attr.type === TYPE.regular && attr.length > CHUNK_BYTES);
  if (large.length > 0) {
    addTo(large, await chunks(inodesOf(large)), addChunk);
    for (const entry of large) if (entry.chunks !== undefined) entry.chunks = entry.chunks.toSorted((a, b) => a.index - b.index);
  }
  const links = entries.filter(({ attr }) => attr.type === TYPE.symlink);
  if (links.length > 0)
    addTo(links, await targets(inodesOf(links)), (entry, row) => {
      entry.symlink = binary(row[1]);
    });
  if (xattrs !== undefined && entries.length > 0) addTo(entries, await xattrs(inodesOf(entries)), addXattr);
};

const inodesOf = (entries: readonly EntryDraft[]): readonly bigint[] => [...new Set(entries.map(({ attr }) => attr.inode))];

/** An inode may have several names among them. */
const addTo = (entries: readonly EntryDraft[], rows: readonly SqlRow[], add: (entry: EntryDraft, row: SqlRow) => void): void => {
  if (rows.length === 0) return;
  const byInode = Map.groupBy(entries, ({ attr }) => attr.inode);
  for (const row of rows) for (const entry of byInode.get(integer(row[0])) ?? []) add(entry, row);
};

/** Chunks beyond the end stay behind when a file is cut. */
const addChunk = (entry: EntryDraft, row: SqlRow): void => {
  const index = small(row[1]);
  const slices = binary(row[2]);
  if (slices.length > 0 && BigInt(index) * CHUNK_BYTES < entry.attr.length) entry.chunks = [...(entry.chunks ?? []), { index, slices }];
};

const addXattr = (entry: EntryDraft, row: SqlRow): void => {
  const xattr = { name: binary(row[1]), value: binary(row[2]) };
  entry.xattrs = [...(entry.xattrs ?? []), xattr].sort((a, b) => Buffer.compare(a.name, b.name));
};
