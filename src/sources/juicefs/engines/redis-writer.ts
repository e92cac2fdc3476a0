import { SLICE_BYTES, TRASH_INODE } from '../model.ts';
import { aclKey } from './acl.ts';
import { bytesOf, listOfReplies, pairsOf, type RedisSession } from './redis.ts';
import { redisChecks, redisFinish } from './redis-finish.ts';
import { encodeAcl } from './redis-head.ts';
import { packNames } from './redis-pack.ts';
import { scanKeys } from './redis-scan.ts';
import { FOLDERS_KEY, MARKER_KEY, NUMBER_RULE, PUT, RAISE, RULES_KEY, SLICES_KEY } from './redis-scripts.ts';
import type { Occurrence, Writer } from './writer.ts';

/** The keys of a volume, without prefix. */
const OURS =
  /^(setting|sliceRef|delSlices|delfiles|detachedNodes|allSessions|sessions|sessionInfos|session\d+|locked\d+|lock[fp]\d+|dir(DataLength|UsedSpace|UsedInodes|Quota|QuotaUsedSpace|QuotaUsedInodes)|(user|group)Quota(UsedSpace|UsedInodes)?|acl|aclMaxId|krbToken|krbTokenMaxId|txnLog|txnLastLog|usedSpace|totalInodes|next(inode|chunk|session|Trash|CleanupSlices)|lastCleanup\w+|lifeboat\w*|[idpsx]\d+|c\d+_\d+)$/;

/** Keys that are removed at once. */
const UNLINKED_MAX = 1000;

export const redisWriter = (session: RedisSession): Writer => {
  const key = (name: string): string => session.prefix + name;
  const rules = new Map<string, number>();
  /** Of what was packed and sent, to be used again. */
  const spare: Buffer[][] = [];
  const highest: Highest = { maxInode: 0n, maxTrash: 0n, maxSlice: 0n };
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
      const buffers = spare.pop() ?? [];
      const packs = packNames({ prefix: session.prefix, rules, buffers }, occurrences);
      sha ??= String(bytesOf(await session.call('SCRIPT', 'LOAD', PUT)));
      const script = sha;
      const replies = await session.pipeline([
        ...packs.map((pack) => ['EVALSHA', script, 0, session.prefix, pack] as const),
        ...raised(highest, occurrences).map(([field, value]) => ['EVAL', RAISE, 0, session.prefix, field, String(value)] as const),
      ]);
      spare.push(buffers);
      return replies.slice(0, packs.length).reduce<number>((sum, reply) => sum + Number(reply), 0);
    },
    finish: (step, head, now) => redisFinish(session, step, head, now),
    async publish(head) {
      const pages = listOfReplies(await session.call('SMEMBERS', key(SLICES_KEY))).map((page) => key(SLICES_KEY) + bytesOf(page));
      // The marker goes with them: until then it can be done again.
      for (let at = 0; at < pages.length; at += UNLINKED_MAX) await session.call('UNLINK', ...pages.slice(at, at + UNLINKED_MAX));
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

/** The highest ids that this writer has seen. */
type Highest = Record<'maxInode' | 'maxTrash' | 'maxSlice', bigint>;

/** Fields of the marker that the server may have to raise. */
const raised = (highest: Highest, occurrences: readonly Occurrence[]): readonly (readonly [string, bigint])[] => {
  const before = { ...highest };
  for (const { entry } of occurrences) {
    const own = entry.attr.inode;
    if (own < TRASH_INODE) highest.maxInode = own > highest.maxInode ? own : highest.maxInode;
    else if (own - TRASH_INODE > highest.maxTrash) highest.maxTrash = own - TRASH_INODE;
    for (const { slices } of entry.chunks ?? []) {
      const slice = highestId(slices);
      if (slice > highest.maxSlice) highest.maxSlice = slice;
    }
  }
  return (Object.keys(before) as (keyof Highest)[])
    .filter((field) => highest[field] > before[field])
    .map((field) => [field, highest[field]]);
};

const highestId = (slices: Uint8Array): bigint => {
  const view = new DataView(slices.buffer, slices.byteOffset, slices.byteLength);
  let [high, low] = [0, 0];
  for (let at = 0; at + SLICE_BYTES <= slices.length; at += SLICE_BYTES) {
    const [h, l] = [view.getUint32(at + 4), view.getUint32(at + 8)];
    if (h > high || (h === high && l > low)) [high, low] = [h, l];
  }
  return (BigInt(high) << 32n) | BigInt(low);
};
