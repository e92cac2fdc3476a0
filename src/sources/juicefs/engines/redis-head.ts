import { LifeboatError } from '../../../errors.ts';
import type { Acl, AclEntry, DelFile, Head, Quota, Sustained } from '../model.ts';
import { numberOf } from './redis.ts';
import type { Keys } from './redis-keys.ts';

/** Keys of single numbers. */
export const COUNTERS = [
  'usedSpace',
  'totalInodes',
  'nextinode',
  'nextchunk',
  'nextsession',
  'nextTrash',
  'nextCleanupSlices',
  'txnLastLog',
] as const;

/** What stands in a dump before the trees. */
export const readHead = async (keys: Keys): Promise<Head> => {
  const [setting, ...values] = await keys.strings(['setting', ...COUNTERS]);
  if (setting === undefined)
    throw new LifeboatError('SourceProblem', 'the Redis database has no JuiceFS volume: it has no setting', {
      hint: 'Give the number of the database: redis://host:6379/1.',
    });
  const counter = (name: (typeof COUNTERS)[number]): bigint => numberOf(values[COUNTERS.indexOf(name)] ?? null);
  const sessions = [...(await keys.sorted('allSessions')), ...(await keys.sorted('sessions'))].map(([sid]) => numberOf(sid));
  return {
    setting: setting.toString('utf8'),
    counters: {
      usedSpace: counter('usedSpace'),
      usedInodes: counter('totalInodes'),
      nextInodes: counter('nextinode') + 1n,
      nextChunk: counter('nextchunk') + 1n,
      nextSession: counter('nextsession'),
      nextTrash: counter('nextTrash'),
      nextCleanupSlices: counter('nextCleanupSlices'),
      lastChangelog: counter('txnLastLog'),
    },
    sustained: await readSustained(keys, [...new Set(sessions)]),
    delFiles: (await keys.sorted('delfiles')).map(delFileOf),
    // juicefs leaves out a directory without limits here, and only here.
    quotas: new Map([...quotasOf(await keys.hash('dirQuota'))].filter(([, quota]) => quota.maxSpace !== -1n || quota.maxInodes !== -1n)),
    userQuotas: quotasOf(await keys.hash('userQuota')),
    groupQuotas: quotasOf(await keys.hash('groupQuota')),
  };
};

const readSustained = async (keys: Keys, sids: readonly bigint[]): Promise<readonly Sustained[]> => {
  const sets = await keys.sets(sids.map((sid) => `session${sid}`));
  return sids.map((sid, i) => ({ sid, inodes: (sets[i] ?? []).map((inode) => numberOf(inode)) })).filter(({ inodes }) => inodes.length > 0);
};

const delFileOf = ([member, score]: readonly [Buffer, Buffer]): DelFile => {
  const [inode = '0', length = '0'] = member.toString('latin1').split(':');
  return { inode: BigInt(inode), length: BigInt(length), expire: BigInt(Math.trunc(Number(score.toString('latin1')))) };
};

const quotasOf = (pairs: readonly (readonly [Buffer, Buffer])[]): ReadonlyMap<bigint, Quota> =>
  new Map(pairs.map(([key, value]) => [numberOf(key), { maxSpace: value.readBigInt64BE(0), maxInodes: value.readBigInt64BE(8) }]));

/** Rules by their number. */
export const readAcls = async (keys: Keys): Promise<ReadonlyMap<number, Acl>> =>
  new Map((await keys.hash('acl')).map(([id, rule]) => [Number(id.toString('latin1')), decodeAcl(rule)]));

/** owner, group, mask, other u16; number of users u32 and the users; the same for groups. */
const decodeAcl = (bytes: Buffer): Acl => {
  let at = 8;
  const entries = (): AclEntry[] => {
    const count = bytes.length >= at + 4 ? bytes.readUInt32BE(at) : 0;
    at += 4;
    const found: AclEntry[] = [];
    for (let i = 0; i < count && at + 6 <= bytes.length; i++, at += 6)
      found.push({ id: bytes.readUInt32BE(at), perm: bytes.readUInt16BE(at + 4) });
    return found;
  };
  return {
    owner: bytes.readUInt16BE(0),
    group: bytes.readUInt16BE(2),
    mask: bytes.readUInt16BE(4),
    other: bytes.readUInt16BE(6),
    users: entries(),
    groups: entries(),
  };
};

export const encodeAcl = ({ owner, group, mask, other, users, groups }: Acl): Buffer => {
  const bytes = Buffer.alloc(16 + 6 * (users.length + groups.length));
  for (const [i, value] of [owner, group, mask, other].entries()) bytes.writeUInt16BE(value, 2 * i);
  let at = 8;
  for (const entries of [users, groups]) {
    at = bytes.writeUInt32BE(entries.length, at);
    for (const { id, perm } of entries) at = bytes.writeUInt16BE(perm, bytes.writeUInt32BE(id, at));
  }
  return bytes;
};
