import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type Attr, CHUNK_BYTES, type Chunk, holdsChunks, TYPE, type Xattr } from '../model.ts';
import type { Content, Edge, Page, PageRequest, Reader } from './reader.ts';
import { binary, type Dialect, integer, type SqlRow, small, timeOf } from './sql.ts';
import type { TableColumns } from './sql-reader.ts';

/** Nanoseconds of the three times in one number, twelve bits each; −1 where one is out of its range. */
const NANO_BITS = 12n;
const NANO_MASK = (1n << NANO_BITS) - 1n;
const LOW_32 = 0xffff_ffffn;

/**
 * What sqlReader does, for an engine in this process: statements are prepared once, and few wide numbers cost less than many
 * small ones.
 */
export const sqliteReader = (generic: Reader, database: DatabaseSync, dialect: Dialect, known: TableColumns, acls: Acls): Reader => {
  const prepare = (sql: string): StatementSync => {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    return statement;
  };
  const all = (statement: StatementSync, ...values: (bigint | number | string | Uint8Array)[]): readonly SqlRow[] =>
    statement.all(...values) as unknown as readonly SqlRow[];
  const column = (name: string): string => (known.get('node')?.has(name) === true ? `COALESCE(n.${dialect.column(name)}, 0)` : '0');
  const [a, m, c] = ['atimensec', 'mtimensec', 'ctimensec'].map(column);
  const edges = `SELECT ${dialect.raw('name')}, inode, ${dialect.column('type')} FROM ${dialect.table('edge')} WHERE parent = ?`;
  const firstPage = prepare(`${edges} ORDER BY name LIMIT ?`);
  const laterPage = prepare(`${edges} AND name > ? ORDER BY name LIMIT ?`);
  // One statement for all inodes of a page: the list is a parameter, so it is prepared once. Most files have one chunk, the first.
  const nodes = prepare(
    `SELECT n.inode, ${column('type')} | ((${column('mode')} & 4095) << 4) | (${column('flags')} << 16) | (${column('tier_id')} << 24), uid, gid, atime, mtime, ctime, ` +
      `CASE WHEN MIN(${a}, ${m}, ${c}) >= 0 AND MAX(${a}, ${m}, ${c}) <= ${NANO_MASK} THEN ${a} | (${m} << ${NANO_BITS}) | (${c} << ${2n * NANO_BITS}) ELSE -1 END, ` +
      `nlink, length, ${column('rdev')}, ${column('access_acl_id')} | (${column('default_acl_id')} << 32), ` +
      `(SELECT ${dialect.raw('k.slices')} FROM ${dialect.table('chunk')} k WHERE k.inode = n.inode AND k.indx = 0) ` +
      `FROM json_each(?) j CROSS JOIN ${dialect.table('node')} n ON n.inode = j.value`,
  );
  const of = (columns: string, table: string, order = ''): StatementSync =>
    prepare(`SELECT ${columns} FROM json_each(?) j CROSS JOIN ${dialect.table(table)} t ON t.inode = j.value ${order}`);
  const chunks = of(`t.inode, t.indx, ${dialect.raw('t.slices')}`, 'chunk', 'ORDER BY t.inode, t.indx');
  const targets = of(`t.inode, ${dialect.raw('t.target')}`, 'symlink');
  const xattrs = of(`t.inode, ${dialect.raw('t.name')}, ${dialect.raw('t.value')}`, 'xattr');
  const hasXattrs = all(prepare(`SELECT 1 FROM ${dialect.table('xattr')} LIMIT 1`)).length > 0;

  const page = ({ directory, after, limit }: PageRequest): Page => {
    const rows = after === undefined ? all(firstPage, directory, limit) : all(laterPage, directory, after, limit);
    return {
      edges: rows.map((row): Edge => ({ name: binary(row[0]), inode: integer(row[1]), type: small(row[2]) })),
      more: rows.length >= limit,
    };
  };

  const draftOf = (row: SqlRow): Draft => {
    const attr = attrOf(row);
    const draft: Draft = { attr };
    const rules = integer(row[11]);
    if (rules !== 0n) {
      const access = acls.get(Number(rules & LOW_32));
      const fallback = acls.get(Number(rules >> 32n));
      if (access !== undefined) draft.accessAcl = access;
      if (fallback !== undefined) draft.defaultAcl = fallback;
    }
    const slices = binary(row[12]);
    if (holdsChunks(attr) && attr.length <= CHUNK_BYTES && slices.length > 0) draft.chunks = [{ index: 0, slices }];
    return draft;
  };

  const fill = (found: ReadonlyMap<bigint, Draft>): void => {
    const drafts = [...found.values()];
    const listOf = (wanted: (attr: Attr) => boolean): string => inodeList(drafts.flatMap(({ attr }) => (wanted(attr) ? [attr.inode] : [])));
    const large = listOf((attr) => attr.type === TYPE.regular && attr.length > CHUNK_BYTES);
    for (const row of rowsOf(chunks, large)) addChunk(found.get(integer(row[0])), row);
    for (const row of rowsOf(
      targets,
      listOf(({ type }) => type === TYPE.symlink),
    )) {
      const draft = found.get(integer(row[0]));
      if (draft !== undefined) draft.symlink = binary(row[1]);
    }
    if (!hasXattrs) return;
    for (const row of rowsOf(xattrs, inodeList([...found.keys()]))) {
      const draft = found.get(integer(row[0]));
      if (draft !== undefined) draft.xattrs = [...(draft.xattrs ?? []), { name: binary(row[1]), value: binary(row[2]) }].sort(byName);
    }
  };

  const rowsOf = (statement: StatementSync, list: string): readonly SqlRow[] => (list === NO_INODES ? [] : all(statement, list));

  return {
    local: true,
    head: generic.head,
    pages: async (requests) => requests.map(page),
    async contents(wanted) {
      const found = new Map<bigint, Draft>();
      const unusual: Pick<Edge, 'inode' | 'type'>[] = [];
      for (const row of all(nodes, inodeList(wanted.map(({ inode }) => inode)))) {
        if (integer(row[7]) < 0n) unusual.push({ inode: integer(row[0]), type: small(row[1]) & 15 });
        else found.set(integer(row[0]), draftOf(row));
      }
      fill(found);
      return unusual.length === 0 ? found : new Map<bigint, Content>([...found, ...(await generic.contents(unusual))]);
    },
    close: generic.close,
  };
};

const NO_INODES = '[]';
const inodeList = (inodes: readonly bigint[]): string => `[${inodes.join(',')}]`;

const byName = (a: Xattr, b: Xattr): number => Buffer.compare(a.name, b.name);

type Acls = ReadonlyMap<number, NonNullable<Content['accessAcl']>>;
/** Filled as it is found. */
type Draft = { -readonly [Field in keyof Content]: Content[Field] };

const attrOf = (row: SqlRow): Attr => {
  const packed = small(row[1]);
  const all = small(row[7]);
  const [atime, atimensec] = timeOf(row[4], all & 4095);
  const [mtime, mtimensec] = timeOf(row[5], Math.floor(all / 4096) & 4095);
  const [ctime, ctimensec] = timeOf(row[6], Math.floor(all / 16_777_216) & 4095);
  return {
    inode: integer(row[0]),
    type: packed & 15,
    flags: (packed >>> 16) & 255,
    mode: (packed >>> 4) & 0xfff,
    uid: small(row[2]) >>> 0,
    gid: small(row[3]) >>> 0,
    atime,
    atimensec,
    mtime,
    mtimensec,
    ctime,
    ctimensec,
    nlink: small(row[8]) >>> 0,
    length: integer(row[9]),
    rdev: small(row[10]) >>> 0,
    tier: (packed >>> 24) & 255,
  };
};

/** Chunks beyond the end stay behind when a file is cut. */
const addChunk = (draft: Draft | undefined, row: SqlRow): void => {
  const index = small(row[1]);
  const slices = binary(row[2]);
  if (draft === undefined || slices.length === 0 || BigInt(index) * CHUNK_BYTES >= draft.attr.length) return;
  const chunk: Chunk = { index, slices };
  draft.chunks = draft.chunks === undefined ? [chunk] : [...draft.chunks, chunk];
};
