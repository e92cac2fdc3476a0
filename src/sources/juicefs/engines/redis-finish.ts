import type { Check } from '../../../backup/types.ts';
import { align4K, isLimited, ROOT_INODE, TRASH_INODE, TYPE, trashAttr } from '../model.ts';
import { nextIds } from '../write/next-ids.ts';
import { bytesOf, listOfReplies, numberOf, type RedisSession } from './redis.ts';
import { EDGE_BYTES, encodeAttr } from './redis-attr.ts';
import { scanAttrs, scanHash } from './redis-scan.ts';
import { FOLDERS_KEY, MARKER_KEY, SET_LINKS } from './redis-scripts.ts';
import type { FinishStep, HeadToLoad } from './writer.ts';

/** Directories that are asked for at once. */
const LEVEL_MAX = 5000;

export const redisFinish = async (session: RedisSession, step: FinishStep, head: HeadToLoad, now: Date): Promise<void> => {
  switch (step) {
    case 'links':
      await ensureTrash(session, now);
      return setFolderLinks(session);
    case 'statistics':
      // Gathered with the names.
      return;
    case 'quotas':
      return setQuotas(session, head);
    case 'counters':
      return setCounters(session, head);
  }
};

/** A dump without trash would leave a volume in which nothing can be deleted. */
const ensureTrash = async (session: RedisSession, now: Date): Promise<void> => {
  const seconds = BigInt(Math.floor(now.getTime() / 1000));
  const attr = trashAttr(seconds, 0);
  const bytes = encodeAttr(attr, { parent: ROOT_INODE, accessAcl: 0, defaultAcl: 0, length: 4096n });
  await session.call('SETNX', `${session.prefix}i${TRASH_INODE}`, bytes);
  for (const name of ['dirDataLength', 'dirUsedSpace', 'dirUsedInodes'])
    await session.call('HSETNX', session.prefix + name, String(TRASH_INODE), '0');
};

const setFolderLinks = async (session: RedisSession): Promise<void> => {
  for await (const pairs of scanHash(session, FOLDERS_KEY))
    await session.pipeline(
      pairs.map(([inode, folders]) => ['EVAL', SET_LINKS, 0, session.prefix, inode, String(2n + numberOf(folders))] as const),
    );
};

const setQuotas = async (session: RedisSession, head: HeadToLoad): Promise<void> => {
  for (const [inode, quota] of head.quotas) {
    const used = await usedBelow(session, inode);
    await writeQuota(session, 'dirQuota', inode, quota, used);
  }
  if (head.userQuotas.size === 0 && head.groupQuotas.size === 0) return;
  const { users, groups } = await usedByOwner(session);
  for (const [name, quotas, used] of [
    ['userQuota', head.userQuotas, users],
    ['groupQuota', head.groupQuotas, groups],
  ] as const) {
    for (const owner of new Set([...quotas.keys(), ...used.keys()])) {
      const limit = quotas.get(owner);
      const shown = limit !== undefined && isLimited(limit) ? limit : { maxSpace: -1n, maxInodes: -1n };
      await writeQuota(session, name, owner, shown, used.get(owner) ?? { space: 0n, inodes: 0n });
    }
  }
};

interface Used {
  readonly space: bigint;
  readonly inodes: bigint;
}

const writeQuota = async (
  session: RedisSession,
  name: string,
  key: bigint,
  limit: { readonly maxSpace: bigint; readonly maxInodes: bigint },
  used: Used,
): Promise<void> => {
  const bytes = Buffer.alloc(16);
  bytes.writeBigInt64BE(limit.maxSpace, 0);
  bytes.writeBigInt64BE(limit.maxInodes, 8);
  await session.pipeline([
    ['HSET', session.prefix + name, String(key), bytes],
    ['HSET', `${session.prefix}${name}UsedSpace`, String(key), String(used.space)],
    ['HSET', `${session.prefix}${name}UsedInodes`, String(key), String(used.inodes)],
  ]);
};

const usedBelow = async (session: RedisSession, inode: bigint): Promise<Used> => {
  let space = 0n;
  let inodes = 0n;
  let level = [inode];
  while (level.length > 0) {
    const own = level.slice(0, LEVEL_MAX);
    const fields = own.map(String);
    const spaces = listOfReplies(await session.call('HMGET', `${session.prefix}dirUsedSpace`, ...fields));
    const counts = listOfReplies(await session.call('HMGET', `${session.prefix}dirUsedInodes`, ...fields));
    for (const value of spaces) space += numberOf(value);
    for (const value of counts) inodes += numberOf(value);
    const below = await session.pipeline(own.map((directory) => ['HVALS', `${session.prefix}d${directory}`] as const));
    const folders = below.flatMap((reply) => listOfReplies(reply)).flatMap((value) => bytesOf(value) ?? []);
    level = [
      ...level.slice(LEVEL_MAX),
      ...folders.filter((edge) => edge.length >= EDGE_BYTES && edge.readUInt8(0) === TYPE.directory).map((edge) => edge.readBigUInt64BE(1)),
    ];
  }
  return { space, inodes };
};

const usedByOwner = async (session: RedisSession) => {
  const users = new Map<bigint, Used>();
  const groups = new Map<bigint, Used>();
  const add = (owners: Map<bigint, Used>, owner: number, space: bigint): void => {
    const known = owners.get(BigInt(owner)) ?? { space: 0n, inodes: 0n };
    owners.set(BigInt(owner), { space: known.space + space, inodes: known.inodes + 1n });
  };
  for await (const attrs of scanAttrs(session))
    for (const { attr } of attrs) {
      if ((attr.type !== TYPE.regular && attr.type !== TYPE.directory) || attr.inode === ROOT_INODE || attr.inode === TRASH_INODE) continue;
      const space = attr.type === TYPE.regular ? align4K(attr.length) : 4096n;
      add(users, attr.uid, space);
      add(groups, attr.gid, space);
    }
  return { users, groups };
};

const setCounters = async (session: RedisSession, head: HeadToLoad): Promise<void> => {
  const [inode, trash, slice] = listOfReplies(
    await session.call('HMGET', session.prefix + MARKER_KEY, 'maxInode', 'maxTrash', 'maxSlice'),
  ).map((value) => numberOf(value));
  const next = nextIds(head, { inode: inode ?? 0n, trash: trash ?? 0n, slice: slice ?? 0n });
  const key = (name: string): string => session.prefix + name;
  await session.pipeline([
    // Redis keeps the last id, not the next one.
    ['SET', key('nextinode'), String(next.nextInode - 1n)],
    ['SET', key('nextchunk'), String(next.nextChunk - 1n)],
    ['SET', key('nextsession'), '0'],
    ['SET', key('nextTrash'), String(next.nextTrash)],
    ['SETNX', key('usedSpace'), '0'],
    ['SETNX', key('totalInodes'), '0'],
    ...head.delFiles.map(({ inode: file, length, expire }) => ['ZADD', key('delfiles'), String(expire), `${file}:${length}`] as const),
  ]);
};

/** What the names of a dump broke, as it was counted while they came. */
export const redisChecks = async (session: RedisSession): Promise<readonly Check[]> => {
  const found = listOfReplies(await session.call('HMGET', session.prefix + MARKER_KEY, 'doubled', 'mistyped')).map((many) =>
    numberOf(many),
  );
  return ['directories with several names', 'types that differ between name and inode'].map((name, i) => {
    const many = found[i] ?? 0n;
    return { name, expected: '0', actual: String(many), ok: many === 0n };
  });
};
