import { LifeboatError } from '../../../errors.ts';
import {
  type Acl,
  type AclEntry,
  type Attr,
  CHUNK_BYTES,
  type Chunk,
  type DelFile,
  type Head,
  type Quota,
  SLICE_BYTES,
  type Sustained,
  TYPE,
  type Xattr,
} from '../model.ts';
import type { Content, Edge, Page, PageRequest, Reader } from './reader.ts';
import { bytesOf, listOfReplies, numberOf, pairsOf, type RedisSession, type Reply } from './redis.ts';
import { decodeAttr, EDGE_BYTES, holdsChunks } from './redis-attr.ts';

/** Chunks of files that are asked for at once. */
const CHUNKS_MAX = 20_000;

/** Reads a volume key by key. Redis has no instant: what changes meanwhile is seen in part. */
export const redisReader = async (session: RedisSession): Promise<Reader> => {
  const key = (name: string): string => session.prefix + name;
  const acls = new Map(
    pairsOf(await session.call('HGETALL', key('acl'))).map(([id, rule]) => [Number(id.toString('latin1')), decodeAcl(rule)]),
  );
  let wide: { readonly directory: bigint; readonly edges: readonly Edge[] } | undefined;

  const sorted = (reply: Reply | undefined): Edge[] =>
    pairsOf(reply)
      .filter(([, value]) => value.length >= EDGE_BYTES)
      .map(([name, value]) => ({ name, type: value.readUInt8(0), inode: value.readBigUInt64BE(1) }))
      .sort((a, b) => Buffer.compare(a.name, b.name));

  const pageOf = (edges: readonly Edge[], { directory, after, limit }: PageRequest): Page => {
    const from = after === undefined ? 0 : firstAfter(edges, after);
    if (edges.length - from <= limit) return { edges: from === 0 ? edges : edges.slice(from), more: false };
    // A directory of millions is read and sorted once, not for each of its pages.
    wide = { directory, edges };
    return { edges: edges.slice(from, from + limit), more: true };
  };

  return {
    head: () => readHead(session),
    async pages(requests) {
      const unknown = requests.filter(({ directory }) => directory !== wide?.directory);
      const replies = await session.pipeline(unknown.map(({ directory }) => ['HGETALL', key(`d${directory}`)] as const));
      let next = 0;
      return requests.map((request) => pageOf(request.directory === wide?.directory ? wide.edges : sorted(replies[next++]), request));
    },
    contents: (edges) => readContents(session, acls, edges),
    close: () => session.close(),
  };
};

const firstAfter = (edges: readonly Edge[], name: Uint8Array): number => {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Buffer.compare((edges[middle] as Edge).name, name) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
};

interface Draft {
  attr: Attr;
  symlink?: Uint8Array;
  xattrs?: Xattr[];
  accessAcl?: Acl;
  defaultAcl?: Acl;
  chunks?: Chunk[];
}

const readContents = async (
  session: RedisSession,
  acls: ReadonlyMap<number, Acl>,
  edges: readonly Pick<Edge, 'inode' | 'type'>[],
): Promise<ReadonlyMap<bigint, Content>> => {
  const key = (name: string): string => session.prefix + name;
  const inodes = [...new Set(edges.map(({ inode }) => inode))];
  const drafts = new Map<bigint, Draft>();
  if (inodes.length === 0) return drafts;
  const attrs = listOfReplies(await session.call('MGET', ...inodes.map((inode) => key(`i${inode}`))));
  for (const [i, inode] of inodes.entries()) {
    const bytes = bytesOf(attrs[i]);
    if (bytes === undefined) continue;
    const { attr, accessAcl, defaultAcl } = decodeAttr(inode, bytes);
    const access = acls.get(accessAcl);
    const fallback = acls.get(defaultAcl);
    drafts.set(inode, {
      attr,
      ...(access === undefined ? {} : { accessAcl: access }),
      ...(fallback === undefined ? {} : { defaultAcl: fallback }),
    });
  }
  const there = [...drafts.values()];
  const xattrs = await session.pipeline(there.map(({ attr }) => ['HGETALL', key(`x${attr.inode}`)] as const));
  for (const [i, draft] of there.entries()) {
    const found = pairsOf(xattrs[i]).map(([name, value]): Xattr => ({ name, value }));
    if (found.length > 0) draft.xattrs = found.sort((a, b) => Buffer.compare(a.name, b.name));
  }
  const links = there.filter(({ attr }) => attr.type === TYPE.symlink);
  const targets = await session.pipeline(links.map(({ attr }) => ['GET', key(`s${attr.inode}`)] as const));
  for (const [i, draft] of links.entries()) {
    const target = bytesOf(targets[i]);
    if (target !== undefined) draft.symlink = target;
  }
  await readChunks(
    session,
    there.filter(({ attr }) => holdsChunks(attr)),
  );
  return drafts;
};

/** A chunk may be missing anywhere below the length; only asking tells. */
const readChunks = async (session: RedisSession, files: readonly Draft[]): Promise<void> => {
  let asked: { readonly draft: Draft; readonly index: number }[] = [];
  const ask = async (): Promise<void> => {
    const lists = await session.pipeline(
      asked.map(({ draft, index }) => ['LRANGE', `${session.prefix}c${draft.attr.inode}_${index}`, 0, -1] as const),
    );
    for (const [i, { draft, index }] of asked.entries()) {
      const slices = listOfReplies(lists[i])
        .flatMap((slice) => bytesOf(slice) ?? [])
        .filter((slice) => slice.length === SLICE_BYTES);
      if (slices.length === 0) continue;
      draft.chunks ??= [];
      draft.chunks.push({ index, slices: Buffer.concat(slices) });
    }
    asked = [];
  };
  for (const draft of files) {
    const chunks = Number((draft.attr.length + CHUNK_BYTES - 1n) / CHUNK_BYTES);
    for (let index = 0; index < chunks; index++) {
      asked.push({ draft, index });
      if (asked.length >= CHUNKS_MAX) await ask();
    }
  }
  if (asked.length > 0) await ask();
};

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

const readHead = async (session: RedisSession): Promise<Head> => {
  const key = (name: string): string => session.prefix + name;
  const setting = bytesOf(await session.call('GET', key('setting')));
  if (setting === undefined)
    throw new LifeboatError('SourceProblem', 'the Redis database has no JuiceFS volume: it has no setting', {
      hint: 'Give the number of the database: redis://host:6379/1.',
    });
  const names = [
    'usedSpace',
    'totalInodes',
    'nextinode',
    'nextchunk',
    'nextsession',
    'nextTrash',
    'nextCleanupSlices',
    'txnLastLog',
  ] as const;
  const values = listOfReplies(await session.call('MGET', ...names.map(key)));
  const counter = (name: (typeof names)[number]): bigint => numberOf(values[names.indexOf(name)]);
  const sids = [
    ...listOfReplies(await session.call('ZRANGE', key('allSessions'), 0, -1)),
    ...listOfReplies(await session.call('ZRANGE', key('sessions'), 0, -1)),
  ].map((sid) => numberOf(sid));
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
    sustained: await readSustained(session, [...new Set(sids)]),
    delFiles: delFilesOf(await session.call('ZRANGE', key('delfiles'), 0, -1, 'WITHSCORES')),
    // juicefs leaves out a directory without limits here, and only here.
    quotas: new Map(
      [...quotasOf(await session.call('HGETALL', key('dirQuota')))].filter(
        ([, quota]) => quota.maxSpace !== -1n || quota.maxInodes !== -1n,
      ),
    ),
    userQuotas: quotasOf(await session.call('HGETALL', key('userQuota'))),
    groupQuotas: quotasOf(await session.call('HGETALL', key('groupQuota'))),
  };
};

const readSustained = async (session: RedisSession, sids: readonly bigint[]): Promise<readonly Sustained[]> => {
  const sets = await session.pipeline(sids.map((sid) => ['SMEMBERS', `${session.prefix}session${sid}`] as const));
  return sids
    .map((sid, i) => ({ sid, inodes: listOfReplies(sets[i]).map((inode) => numberOf(inode)) }))
    .filter(({ inodes }) => inodes.length > 0);
};

const delFilesOf = (reply: Reply): readonly DelFile[] =>
  pairsOf(reply).map(([member, score]) => {
    const [inode = '0', length = '0'] = member.toString('latin1').split(':');
    return { inode: BigInt(inode), length: BigInt(length), expire: BigInt(Math.trunc(Number(score.toString('latin1')))) };
  });

const quotasOf = (reply: Reply): ReadonlyMap<bigint, Quota> =>
  new Map(pairsOf(reply).map(([key, value]) => [numberOf(key), { maxSpace: value.readBigInt64BE(0), maxInodes: value.readBigInt64BE(8) }]));
