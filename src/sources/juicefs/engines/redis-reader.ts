import { type Acl, type Attr, CHUNK_BYTES, type Chunk, holdsChunks, SLICE_BYTES, TYPE, type Xattr } from '../model.ts';
import { type Content, type Edge, entriesOf, type Page, type PageRequest, type Reader } from './reader.ts';
import { bytesOf, listOfReplies, pairsOf, type RedisSession, type Reply } from './redis.ts';
import { decodeAttr, EDGE_BYTES } from './redis-attr.ts';
import { readAcls, readHead } from './redis-head.ts';
import { liveKeys } from './redis-keys.ts';
import { pageOf } from './redis-pages.ts';

/** Chunks of files that are asked for at once. */
const CHUNKS_MAX = 20_000;

/** Reads a volume key by key. Redis has no instant: what changes meanwhile is seen in part. */
export const redisReader = async (session: RedisSession): Promise<Reader> => {
  const key = (name: string): string => session.prefix + name;
  const keys = liveKeys(session);
  const acls = await readAcls(keys);
  let wide: { readonly directory: bigint; readonly edges: readonly Edge[] } | undefined;

  const sorted = (reply: Reply | undefined): Edge[] =>
    pairsOf(reply)
      .filter(([, value]) => value.length >= EDGE_BYTES)
      .map(([name, value]) => ({ name, type: value.readUInt8(0), inode: value.readBigUInt64BE(1) }))
      .sort((a, b) => Buffer.compare(a.name, b.name));

  const page = (edges: readonly Edge[], request: PageRequest): Page => {
    const found = pageOf(edges, request);
    // A directory of millions is read and sorted once, not for each of its pages.
    if (found.more) wide = { directory: request.directory, edges };
    return found;
  };

  const reader: Reader = {
    head: () => readHead(keys),
    entries: (requests) => entriesOf(reader, requests),
    async pages(requests) {
      const unknown = requests.filter(({ directory }) => directory !== wide?.directory);
      const replies = await session.pipeline(unknown.map(({ directory }) => ['HGETALL', key(`d${directory}`)] as const));
      let next = 0;
      return requests.map((request) => page(request.directory === wide?.directory ? wide.edges : sorted(replies[next++]), request));
    },
    contents: (edges) => readContents(session, acls, edges),
    close: () => session.close(),
  };
  return reader;
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
