import { LifeboatError } from '../../../errors.ts';
import type { Acl, Attr, Chunk, Counters, DelFile, Head, Quota, Sustained, Xattr } from '../model.ts';
import { CHUNK_BYTES, holdsChunks, TYPE } from '../model.ts';
import type { Content, Edge, Page, PageRequest, Reader } from './reader.ts';
import { binary, integer, type SqlRow, type SqlSession, small, string, timeOf } from './sql.ts';
import { readRules } from './sql-rules.ts';
import { sqliteReader } from './sqlite-reader.ts';

/** Requests of one query: SQLite refuses a compound of more than 500. */
const REQUESTS_MAX = 200;
/** Inodes of one query: from 1000 on, MariaDB makes a table of such a list first. */
const INODES_MAX = 900;

const NODE = ['type', 'flags', 'mode', 'uid', 'gid', 'atime', 'mtime', 'ctime', 'nlink', 'length'] as const;
/** Columns that a volume made by an older juicefs may lack, and which are 0 there. */
const LATER = ['atimensec', 'mtimensec', 'ctimensec', 'rdev', 'access_acl_id', 'default_acl_id', 'tier_id'] as const;

/** Reads a volume out of the tables of a SQL engine. Its session must be in a transaction that shows one instant. */
export const sqlReader = async (session: SqlSession, known: TableColumns): Promise<Reader> => {
  const { dialect } = session;
  const acls = known.has('acl') ? await readRules(session) : new Map<number, Acl>();
  const nodeColumns = ['inode', ...NODE, ...LATER.map((name) => (known.get('node')?.has(name) === true ? name : '0'))];
  const nodeSql = `SELECT ${nodeColumns.map((name) => (name === '0' ? name : dialect.column(name))).join(', ')} FROM ${dialect.table('node')} WHERE inode IN `;
  const reader: Reader = {
    head: () => readHead(session, known),
    pages: (requests) => inBatches(requests, REQUESTS_MAX, (some) => readPages(session, some)),
    async contents(edges) {
      const contents = new Map<bigint, Content>();
      for (let at = 0; at < edges.length; at += INODES_MAX)
        await readContents(session, nodeSql, acls, edges.slice(at, at + INODES_MAX), contents);
      return contents;
    },
    close: () => session.close(),
  };
  return session.inProcess === undefined ? reader : sqliteReader(reader, session.inProcess, dialect, known, acls);
};

/** Columns by table, both without prefix. */
export type TableColumns = ReadonlyMap<string, ReadonlySet<string>>;

const inBatches = async <Item, Result>(
  items: readonly Item[],
  size: number,
  work: (items: readonly Item[]) => Promise<readonly Result[]>,
): Promise<readonly Result[]> => {
  if (items.length <= size) return work(items);
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += size) results.push(...(await work(items.slice(at, at + size))));
  return results;
};

const readPages = async ({ dialect, rows }: SqlSession, requests: readonly PageRequest[]): Promise<readonly Page[]> => {
  const selects = requests.map(({ directory, after, limit }, n) => {
    const later = after === undefined ? '' : ` AND e.name > ${dialect.bytes(after)}`;
    return `SELECT * FROM (SELECT ${n} AS n, ${dialect.raw('e.name')} AS name, e.inode, e.${dialect.column('type')} FROM ${dialect.table('edge')} e WHERE e.parent = ${directory}${later} ORDER BY e.name LIMIT ${limit}) q${n}`;
  });
  const edges: Edge[][] = requests.map(() => []);
  for (const row of await rows(`${selects.join(' UNION ALL ')} ORDER BY 1, 2`, 'reading directories'))
    edges[small(row[0])]?.push({ name: binary(row[1]), inode: integer(row[2]), type: small(row[3]) });
  return requests.map(({ limit }, n) => ({ edges: edges[n] ?? [], more: (edges[n]?.length ?? 0) >= limit }));
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
  session: SqlSession,
  nodeSql: string,
  acls: ReadonlyMap<number, Acl>,
  edges: readonly Pick<Edge, 'inode' | 'type'>[],
  contents: Map<bigint, Content>,
): Promise<void> => {
  const { dialect, rows } = session;
  const drafts = new Map<bigint, Draft>();
  for (const row of await rows(`${nodeSql}(${edges.map(({ inode }) => inode).join(',')})`, 'reading nodes')) {
    const attr = attrOf(row);
    const draft: Draft = { attr };
    const access = acls.get(small(row[15]));
    const fallback = acls.get(small(row[16]));
    if (access !== undefined) draft.accessAcl = access;
    if (fallback !== undefined) draft.defaultAcl = fallback;
    drafts.set(attr.inode, draft);
    contents.set(attr.inode, draft);
  }
  const all = [...drafts.keys()];
  if (all.length === 0) return;
  const filled = all.filter((inode) => holdsChunks((drafts.get(inode) as Draft).attr));
  if (filled.length > 0)
    for (const row of await rows(
      `SELECT inode, indx, ${dialect.raw('slices')} FROM ${dialect.table('chunk')} WHERE inode IN (${filled.join(',')})`,
      'reading chunks',
    )) {
      const draft = drafts.get(integer(row[0]));
      const index = small(row[1]);
      const slices = binary(row[2]);
      // Chunks beyond the end stay behind when a file is cut.
      if (draft === undefined || slices.length === 0 || BigInt(index) * CHUNK_BYTES >= draft.attr.length) continue;
      draft.chunks ??= [];
      draft.chunks.push({ index, slices });
    }
  const links = all.filter((inode) => drafts.get(inode)?.attr.type === TYPE.symlink);
  if (links.length > 0)
    for (const row of await rows(
      `SELECT inode, ${dialect.raw('target')} FROM ${dialect.table('symlink')} WHERE inode IN (${links.join(',')})`,
      'reading symlinks',
    )) {
      const draft = drafts.get(integer(row[0]));
      if (draft !== undefined) draft.symlink = binary(row[1]);
    }
  for (const row of await rows(
    `SELECT inode, ${dialect.raw('name')}, ${dialect.raw('value')} FROM ${dialect.table('xattr')} WHERE inode IN (${all.join(',')})`,
    'reading xattrs',
  )) {
    const draft = drafts.get(integer(row[0]));
    if (draft === undefined) continue;
    draft.xattrs ??= [];
    draft.xattrs.push({ name: binary(row[1]), value: binary(row[2]) });
  }
  for (const { xattrs, chunks } of drafts.values()) {
    if (xattrs !== undefined && xattrs.length > 1) xattrs.sort((a, b) => Buffer.compare(a.name, b.name));
    if (chunks !== undefined && chunks.length > 1) chunks.sort((a, b) => a.index - b.index);
  }
};

const attrOf = (row: SqlRow): Attr => {
  const [atime, atimensec] = timeOf(row[6], small(row[11]));
  const [mtime, mtimensec] = timeOf(row[7], small(row[12]));
  const [ctime, ctimensec] = timeOf(row[8], small(row[13]));
  return {
    inode: integer(row[0]),
    type: small(row[1]),
    flags: small(row[2]),
    mode: small(row[3]) & 0xfff,
    uid: small(row[4]) >>> 0,
    gid: small(row[5]) >>> 0,
    atime,
    atimensec,
    mtime,
    mtimensec,
    ctime,
    ctimensec,
    nlink: small(row[9]) >>> 0,
    length: integer(row[10]),
    rdev: small(row[14]) >>> 0,
    tier: small(row[17]),
  };
};

const readHead = async (session: SqlSession, known: TableColumns): Promise<Head> => {
  const { dialect, rows } = session;
  const table = (name: string, columns: string): Promise<readonly SqlRow[]> =>
    known.has(name) ? rows(`SELECT ${columns} FROM ${dialect.table(name)}`, `reading ${name}`) : Promise.resolve([]);
  const [format] = await rows(
    `SELECT ${dialect.column('value')} FROM ${dialect.table('setting')} WHERE ${dialect.column('name')} = 'format'`,
    'reading the setting',
  );
  if (format === undefined)
    throw new LifeboatError('SourceProblem', 'the database has no JuiceFS volume: its setting is missing', {
      hint: 'Name the database, schema and table prefix that the volume was formatted with.',
    });
  const counters = new Map(
    (await table('counter', `${dialect.column('name')}, ${dialect.column('value')}`)).map((row) => [string(row[0]), integer(row[1])]),
  );
  const delFiles = (await table('delfile', 'inode, length, expire')).map(
    (row): DelFile => ({ inode: integer(row[0]), length: integer(row[1]), expire: integer(row[2]) }),
  );
  const quotas = (found: readonly SqlRow[]): Map<bigint, Quota> =>
    new Map(found.map((row) => [integer(row[0]), { maxSpace: integer(row[1]), maxInodes: integer(row[2]) }]));
  const owned = (type: number): Promise<readonly SqlRow[]> =>
    table('user_group_quota', `qkey, max_space, max_inodes, qtype`).then((found) => found.filter((row) => small(row[3]) === type));
  return {
    setting: string(format[0]),
    counters: countersOf(counters),
    sustained: sustainedOf(await table('sustained', 'sid, inode')),
    delFiles,
    quotas: quotas(await table('dir_quota', 'inode, max_space, max_inodes')),
    userQuotas: quotas(await owned(1)),
    groupQuotas: quotas(await owned(2)),
  };
};

const countersOf = (values: ReadonlyMap<string, bigint>): Counters => {
  const value = (name: string): bigint => values.get(name) ?? 0n;
  return {
    usedSpace: value('usedSpace'),
    usedInodes: value('totalInodes'),
    nextInodes: value('nextInode'),
    nextChunk: value('nextChunk'),
    nextSession: value('nextSession'),
    nextTrash: value('nextTrash'),
    nextCleanupSlices: value('nextCleanupSlices'),
    lastChangelog: value('lastChangelog'),
  };
};

const sustainedOf = (rows: readonly SqlRow[]): readonly Sustained[] => {
  const bySid = Map.groupBy(rows, (row) => integer(row[0]));
  return [...bySid].map(([sid, found]) => ({ sid, inodes: found.map((row) => integer(row[1])) }));
};
