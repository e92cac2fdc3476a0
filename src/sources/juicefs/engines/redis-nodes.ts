import { bytesOf, listOfReplies, type RedisSession } from './redis.ts';
import { decodeAttr, type StoredAttr } from './redis-attr.ts';

/** Inodes that are asked for at once. */
const NODES_MAX = 10_000;

export type Nodes = ReadonlyMap<bigint, StoredAttr>;

/** Those of the inodes that are there. */
export const readNodes = async (session: RedisSession, inodes: Iterable<bigint>): Promise<Nodes> => {
  const wanted = [...new Set(inodes)];
  const found = new Map<bigint, StoredAttr>();
  for (let at = 0; at < wanted.length; at += NODES_MAX) {
    const some = wanted.slice(at, at + NODES_MAX);
    const values = listOfReplies(await session.call('MGET', ...some.map((inode) => `${session.prefix}i${inode}`)));
    for (const [i, inode] of some.entries()) {
      const bytes = bytesOf(values[i]);
      if (bytes !== undefined) found.set(inode, decodeAttr(inode, bytes));
    }
  }
  return found;
};
