import type { HeadToLoad } from '../engines/writer.ts';

/** Slice ids that are left free above the highest that is known: objects newer than the backup may lie in the bucket. */
const CHUNK_ID_MARGIN = 1_000_000n;

const highest = (...values: readonly bigint[]): bigint => values.reduce((most, value) => (value > most ? value : most), 0n);

/** The next ids lie above all that is known: what was dumped, what is in the tree, what waits to be deleted. */
export const nextIds = (head: HeadToLoad, found: { readonly inode: bigint; readonly slice: bigint; readonly trash: bigint }) => {
  const waiting = [...head.delFiles.map(({ inode }) => inode), ...head.sustained.flatMap(({ inodes }) => inodes)];
  return {
    nextInode: highest(head.counters.nextInodes, found.inode + 1n, 2n, ...waiting.map((inode) => inode + 1n)),
    nextChunk: highest(head.counters.nextChunk, found.slice + 1n) + CHUNK_ID_MARGIN,
    nextTrash: highest(head.counters.nextTrash, found.trash),
  };
};
