import { SLICE_BYTES, TRASH_INODE } from '../model.ts';
import { aclKey } from './acl.ts';
import { bytesOf, pairsOf, type RedisSession } from './redis.ts';
import { redisChecks, redisFinish } from './redis-finish.ts';
import { encodeAcl } from './redis-head.ts';
import { packNames } from './redis-pack.ts';
import { scanKeys } from './redis-scan.ts';
import { FOLDERS_KEY, MARKER_KEY, NUMBER_RULE, PUT, RAISE, RULES_KEY, SLICES_KEY } from './redis-scripts.ts';
import type { Occurrence, Writer } from './writer.ts';

/** The keys of a volume, without prefix. */
const OURS =
  /^(setting|sliceRef|delSlices|delfiles|detachedNodes|allSessions|sessions|sessionInfos|session\d+|locked\d+|lock[fp]\d+|dir(DataLength|UsedSpace|UsedInodes|Quota|QuotaUsedSpace|QuotaUsedInodes)|(user|group)Quota(UsedSpace|UsedInodes)?|acl|aclMaxId|krbToken|krbTokenMaxId|txnLog|txnLastLog|usedSpace|totalInodes|next(inode|chunk|session|Trash|CleanupSlices)|lastCleanup\w+|lifeboat\w*|[idpsx]\d+|c\d+_\d+)$/;

export const redisWriter = (session: RedisSession): Writer => {
  const key = (name: string): string => session.prefix + name;
  const rules = new Map<string, number>();
  /** Of the script PUT, once the server has it. */
  let sha: string | undefined;

  return {
    async occupant() {
      for await (const keys of scanKeys(session)) {
        const found = keys.find((name) => !name.startsWith(MARKER_KEY));
        if (found !== undefined) return `key ${key(found)}`;
      }
      return undefined;
    },
    async marker() {
      const fields = new Map(
        pairsOf(await session.call('HGETALL', key(MARKER_KEY))).map(([name, value]) => [name.toString(), value.toString()]),
      );
      const restore = fields.get('restore');
      return restore === undefined ? undefined : { restore, since: fields.get('since') ?? 'unknown' };
    },
    async begin(restore, since) {
      await session.call('HSETNX', key(MARKER_KEY), 'restore', restore);
      await session.call('HSETNX', key(MARKER_KEY), 'since', since);
    },
    async put(occurrences) {
      await numberRules(session, rules, occurrences);
      const packs = [...packNames(occurrences, rules)];
      sha ??= String(bytesOf(await session.call('SCRIPT', 'LOAD', PUT)));
      const script = sha;
      const replies = await session.pipeline([
        ...packs.map((pack) => ['EVALSHA', script, 0, session.prefix, pack] as const),
        ...highestIds(occurrences).map(([field, value]) => ['EVAL', RAISE, 0, session.prefix, field, String(value)] as const),
      ]);
      return replies.slice(0, packs.length).reduce<number>((sum, reply) => sum + Number(reply), 0);
    },
    finish: (step, head, now) => redisFinish(session, step, head, now),
    async publish(head) {
      await session.pipeline([
        ['MULTI'],
        ['SET', key('setting'), head.setting],
        ['UNLINK', key(MARKER_KEY), key(FOLDERS_KEY), key(RULES_KEY), key(SLICES_KEY)],
        ['EXEC'],
      ]);
    },
    checks: () => redisChecks(session),
    async clear() {
      for await (const keys of scanKeys(session)) {
        const ours = keys.filter((name) => OURS.test(name));
        if (ours.length > 0) await session.call('DEL', ...ours.map(key));
      }
    },
    close: () => session.close(),
  };
};

const numberRules = async (session: RedisSession, known: Map<string, number>, occurrences: readonly Occurrence[]): Promise<void> => {
  for (const { entry } of occurrences)
    for (const rule of [entry.accessAcl, entry.defaultAcl]) {
      if (rule === undefined || known.has(aclKey(rule))) continue;
      known.set(aclKey(rule), Number(await session.call('EVAL', NUMBER_RULE, 0, session.prefix, encodeAcl(rule))));
    }
};

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const highestIds = (occurrences: readonly Occurrence[]): readonly (readonly [string, bigint])[] => {
  let inode = 0n;
  let trash = 0n;
  let slice = 0n;
  for (const { entry } of occurrences) {
    const own = entry.attr.inode;
    if (own >= TRASH_INODE) trash = own - TRASH_INODE > trash ? own - TRASH_INODE : trash;
    else if (own > inode) inode = own;
    for (const { slices } of entry.chunks ?? []) {
      const bytes = asBuffer(slices);
      for (let at = 0; at + SLICE_BYTES <= bytes.length; at += SLICE_BYTES) {
        const id = bytes.readBigUInt64BE(at + 4);
        if (id > slice) slice = id;
      }
    }
  }
  return [
    ['maxInode', inode],
    ['maxTrash', trash],
    ['maxSlice', slice],
  ];
};
