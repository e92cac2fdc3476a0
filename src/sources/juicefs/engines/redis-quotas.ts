import { ROOT_INODE, TRASH_INODE } from '../model.ts';
import { listOfReplies, numberOf, type RedisSession } from './redis.ts';
import type { Tally } from './redis-audit.ts';
import type { FolderSums } from './redis-audit-folders.ts';
import { readNodes } from './redis-nodes.ts';
import { scanHash } from './redis-scan.ts';

/** Folders whose parent is remembered. */
const CACHE_MAX = 100_000;
/** Folders within folders; more make a circle. */
const DEPTH_MAX = 100_000;

/** Parents of folders, once they were asked for. */
export type ParentCache = Map<bigint, bigint>;

export interface StoredQuotas {
  /** What is stored as used below each folder with a limit. */
  readonly folders: ReadonlyMap<bigint, FolderSums>;
  readonly ofOwners: boolean;
  owners(name: 'userQuota' | 'groupQuota'): AsyncGenerator<readonly [bigint, FolderSums]>;
}

export const quotasOf = async (session: RedisSession): Promise<StoredQuotas> => {
  const key = (name: string): string => session.prefix + name;
  const usedBy = async (name: string, fields: readonly bigint[]): Promise<readonly (readonly [bigint, FolderSums])[]> => {
    if (fields.length === 0) return [];
    const [spaces, inodes] = (
      await session.pipeline(['UsedSpace', 'UsedInodes'].map((what) => ['HMGET', key(name + what), ...fields.map(String)] as const))
    ).map(listOfReplies);
    return fields.map((field, i) => [field, { space: numberOf(spaces?.[i]), inodes: numberOf(inodes?.[i]) }] as const);
  };
  const limited = listOfReplies(await session.call('HKEYS', key('dirQuota'))).map((field) => numberOf(field));
  const lengths = await session.pipeline(['userQuota', 'groupQuota'].map((name) => ['HLEN', key(name)] as const));
  return {
    folders: new Map(await usedBy('dirQuota', limited)),
    ofOwners: lengths.some((length) => numberOf(length) > 0n),
    async *owners(name) {
      const seen = new Set<bigint>();
      for await (const pairs of scanHash(session, name)) {
        const fresh = pairs.map(([owner]) => numberOf(owner)).filter((owner) => !seen.has(owner));
        for (const owner of fresh) seen.add(owner);
        yield* await usedBy(name, fresh);
      }
    },
  };
};

/** Adds what lies in folders to all folders above them that have a limit: level by level, and those that meet go on as one. */
export const addAbove = async (
  session: RedisSession,
  { folders: limited }: StoredQuotas,
  parents: ParentCache,
  folders: ReadonlyMap<bigint, FolderSums>,
  { balances }: Tally,
): Promise<void> => {
  let level = new Map(folders);
  for (let depth = 0; level.size > 0 && depth < DEPTH_MAX; depth++) {
    await remember(session, parents, level.keys());
    const above = new Map<bigint, FolderSums>();
    for (const [inode, { space, inodes }] of level) {
      if (limited.has(inode)) {
        balances.below.add(inode, 0n, space);
        balances.inodesBelow.add(inode, 0n, inodes);
      }
      const parent = inode === ROOT_INODE || inode === TRASH_INODE ? 0n : (parents.get(inode) ?? 0n);
      if (parent === 0n) continue;
      const known = above.get(parent) ?? { space: 0n, inodes: 0n };
      above.set(parent, { space: known.space + space, inodes: known.inodes + inodes });
    }
    level = above;
  }
};

const remember = async (session: RedisSession, parents: ParentCache, inodes: Iterable<bigint>): Promise<void> => {
  const level = [...inodes];
  if (parents.size + level.length > CACHE_MAX) parents.clear();
  for (const [inode, { parent }] of await readNodes(
    session,
    level.filter((inode) => !parents.has(inode)),
  ))
    parents.set(inode, parent);
};
