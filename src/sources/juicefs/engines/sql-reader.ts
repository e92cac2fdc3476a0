import { LifeboatError } from '../../../errors.ts';
import type { Counters, DelFile, Head, Quota, Sustained } from '../model.ts';
import { fillRest, type Rest } from './entry-rest.ts';
import { packedSql, unpack } from './packed.ts';
import type { Acls, Edge, EntryDraft, EntryPage, Page, PageRequest, Reader } from './reader.ts';
import { binary, type Dialect, integer, type SqlRow, type SqlSession, type SqlValue, small, string } from './sql.ts';
import { readRules } from './sql-rules.ts';
import { sqliteReader } from './sqlite-reader.ts';

/** Requests of one query: SQLite refuses a compound of more than 500. */
const REQUESTS_MAX = 200;
/** Inodes of one query: from 1000 on, MariaDB makes a table of such a list first. */
const INODES_MAX = 900;

/** Columns by table, both without prefix. */
export type TableColumns = ReadonlyMap<string, ReadonlySet<string>>;

/** Reads a volume out of the tables of a SQL engine. Its session must be in a transaction that shows one instant. */
export const sqlReader = async (session: SqlSession, known: TableColumns): Promise<Reader> => {
  const { dialect } = session;
  const acls: Acls = known.has('acl') ? await readRules(session) : new Map();
  const hasXattrs = (await session.rows(`SELECT 1 FROM ${dialect.table('xattr')} LIMIT 1`, 'reading xattrs')).length > 0;
  const values = async (sql: string): Promise<readonly Uint8Array[]> => {
    if (session.bytes !== undefined) return session.bytes(sql, 'reading directories');
    return (await session.rows(sql, 'reading directories')).map(([value]) => whole(value));
  };
  const answersTo = async (query: string, requests: number): Promise<readonly EntryDraft[][]> => {
    const answers: EntryDraft[][] = Array.from({ length: requests }, () => []);
    unpack(await values(query), acls, answers);
    return answers;
  };
  const rest = restOf(session, hasXattrs);

  const readEntries = async (requests: readonly PageRequest[]): Promise<readonly EntryPage[]> => {
    const arms = edgesOf(dialect, requests).map(({ number, edges }) => {
      const { value, joins } = packedSql(dialect, known, number);
      return `SELECT ${value} AS v FROM ${edges} ${joins}`;
    });
    const answers = await answersTo(arms.join(' UNION ALL '), requests.length);
    await fillRest(answers.flat(), rest);
    return requests.map(({ limit }, n) => pageOfEntries(answers[n] ?? [], limit));
  };

  const reader: Reader = {
    head: () => readHead(session, known),
    pages: (requests) => inBatches(requests, REQUESTS_MAX, (some) => readPages(session, some)),
    entries: (requests) => inBatches(requests, REQUESTS_MAX, readEntries),
    async contents(edges) {
      const { value, joins } = packedSql(dialect, known, '0');
      const found: EntryDraft[] = [];
      for (let at = 0; at < edges.length; at += INODES_MAX) {
        const some = edges
          .slice(at, at + INODES_MAX)
          .map(({ inode, type }) => `SELECT ${inode} AS inode, ${type} AS ${dialect.column('type')}, ${dialect.bytes(NO_BYTES)} AS name`);
        const [answer = []] = await answersTo(`SELECT ${value} AS v FROM (${some.join(' UNION ALL ')}) e ${joins}`, 1);
        found.push(...answer);
      }
      await fillRest(found, rest);
      return new Map(found.map(({ name: _, ...content }) => [content.attr.inode, content]));
    },
    close: () => session.close(),
  };
  return session.inProcess === undefined ? reader : sqliteReader(reader, session.inProcess, dialect, known, { acls, hasXattrs });
};

const NO_BYTES = new Uint8Array();

/** MySQL answers nothing in place of a value that is longer than its packets. */
const whole = (value: SqlValue | undefined): Uint8Array => {
  if (value === null || value === undefined)
    throw new LifeboatError('SourceProblem', 'the database left out a name: its row is longer than max_allowed_packet', {
      hint: 'Raise max_allowed_packet of the server.',
    });
  return binary(value);
};

/** An engine may join in whatever order it likes. */
export const pageOfEntries = (entries: EntryDraft[], limit: number): EntryPage => {
  const inOrder = entries.every(({ name }, i) => i === 0 || Buffer.compare((entries[i - 1] as EntryDraft).name, name) < 0);
  return { entries: inOrder ? entries : entries.sort((a, b) => Buffer.compare(a.name, b.name)), more: entries.length >= limit };
};

/** Tables `e` of the edges that are asked for, and an expression for the number of the request. */
const edgesOf = (dialect: Dialect, requests: readonly PageRequest[]): { readonly number: string; readonly edges: string }[] => {
  const page = (parent: string, { after, limit }: Omit<PageRequest, 'directory'>): string =>
    `SELECT name, inode, ${dialect.column('type')} FROM ${dialect.table('edge')} ` +
    `WHERE parent = ${parent}${after === undefined ? '' : ` AND name > ${dialect.bytes(after)}`} ORDER BY name LIMIT ${limit}`;
  const numbered = requests.map((request, n) => ({ ...request, n }));
  const alone = numbered.filter(({ after }) => after !== undefined || dialect.each === undefined);
  const together = Map.groupBy(
    numbered.filter((request) => !alone.includes(request)),
    ({ limit }) => limit,
  );
  return [
    ...alone.map((request) => ({ number: String(request.n), edges: `(${page(String(request.directory), request)}) e` })),
    ...[...together].map(([limit, some]) => {
      const all = dialect.each?.(
        some.map(({ directory }) => directory),
        some.map(({ n }) => n),
      );
      return { number: 'r.n', edges: `${all} CROSS JOIN LATERAL (${page('r.parent', { after: undefined, limit })}) e` };
    }),
  ];
};

const restOf = ({ dialect, rows }: SqlSession, hasXattrs: boolean): Rest => {
  const of = (columns: string, table: string, doing: string) => (inodes: readonly bigint[]) =>
    inBatches(inodes, INODES_MAX, (some) =>
      rows(`SELECT ${columns} FROM ${dialect.table(table)} WHERE inode IN (${some.join(',')})`, doing),
    );
  return {
    chunks: of(`inode, indx, ${dialect.raw('slices')}`, 'chunk', 'reading chunks'),
    targets: of(`inode, ${dialect.raw('target')}`, 'symlink', 'reading symlinks'),
    ...(hasXattrs ? { xattrs: of(`inode, ${dialect.raw('name')}, ${dialect.raw('value')}`, 'xattr', 'reading xattrs') } : {}),
  };
};

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
