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
 * What sqlReader does, for an engine in this process: a prepared statement an inode costs less than a list of inodes that is parsed, and
 * few wide numbers less than many small ones.
 */
export const sqliteReader = (generic: Reader, database: DatabaseSync, dialect: Dialect, known: TableColumns, acls: Acls): Reader => {
  const prepare = (sql: string): StatementSync => {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    return statement;
  };
  const all = (statement: StatementSync, ...values: (bigint | number | Uint8Array)[]): readonly SqlRow[] =>
    statement.all(...values) as unknown as readonly SqlRow[];
  const column = (name: string): string => (known.get('node')?.has(name) === true ? `COALESCE(${dialect.column(name)}, 0)` : '0');
  const [a, m, c] = ['atimensec', 'mtimensec', 'ctimensec'].map(column);
  const edges = `SELECT ${dialect.raw('name')}, inode, ${dialect.column('type')} FROM ${dialect.table('edge')} WHERE parent = ?`;
  const firstPage = prepare(`${edges} ORDER BY name LIMIT ?`);
  const laterPage = prepare(`${edges} AND name > ? ORDER BY name LIMIT ?`);
  const node = prepare(
    `SELECT ${column('type')} | (${column('mode')} & 4095) << 4 | ${column('flags')} << 16 | ${column('tier_id')} << 24, uid, gid, atime, mtime, ctime, ` +
      `CASE WHEN MIN(${a}, ${m}, ${c}) >= 0 AND MAX(${a}, ${m}, ${c}) <= ${NANO_MASK} THEN ${a} | ${m} << ${NANO_BITS} | ${c} << ${2n * NANO_BITS} ELSE -1 END, ` +
      `nlink, length, ${column('rdev')}, ${column('access_acl_id')} | ${column('default_acl_id')} << 32 FROM ${dialect.table('node')} WHERE inode = ?`,
  );
  const chunks = prepare(`SELECT indx, ${dialect.raw('slices')} FROM ${dialect.table('chunk')} WHERE inode = ? ORDER BY indx`);
  const target = prepare(`SELECT ${dialect.raw('target')} FROM ${dialect.table('symlink')} WHERE inode = ?`);
  const xattrs = prepare(`SELECT ${dialect.raw('name')}, ${dialect.raw('value')} FROM ${dialect.table('xattr')} WHERE inode = ?`);
  const hasXattrs = all(prepare(`SELECT 1 FROM ${dialect.table('xattr')} LIMIT 1`)).length > 0;

  const page = ({ directory, after, limit }: PageRequest): Page => {
    const rows = after === undefined ? all(firstPage, directory, limit) : all(laterPage, directory, after, limit);
    return {
      edges: rows.map((row): Edge => ({ name: binary(row[0]), inode: integer(row[1]), type: small(row[2]) })),
      more: rows.length >= limit,
    };
  };

  const content = (inode: bigint): Draft | 'unusual' | undefined => {
    const [row] = all(node, inode);
    if (row === undefined) return undefined;
    const nanos = integer(row[6]);
    if (nanos < 0n) return 'unusual';
    const attr = attrOf(inode, row, nanos);
    const draft: Draft = { attr };
    const rules = integer(row[10]);
    if (rules !== 0n) {
      const access = acls.get(Number(rules & LOW_32));
      const fallback = acls.get(Number(rules >> 32n));
      if (access !== undefined) draft.accessAcl = access;
      if (fallback !== undefined) draft.defaultAcl = fallback;
    }
    if (holdsChunks(attr)) {
      const found = chunksOf(attr, all(chunks, inode));
      if (found.length > 0) draft.chunks = found;
    }
    if (attr.type === TYPE.symlink) {
      const [link] = all(target, inode);
      if (link !== undefined) draft.symlink = binary(link[0]);
    }
    if (!hasXattrs) return draft;
    const found = all(xattrs, inode).map((one): Xattr => ({ name: binary(one[0]), value: binary(one[1]) }));
    if (found.length > 0) draft.xattrs = found.sort((x, y) => Buffer.compare(x.name, y.name));
    return draft;
  };

  return {
    local: true,
    head: generic.head,
    pages: async (requests) => requests.map(page),
    async contents(wanted) {
      const found = new Map<bigint, Content>();
      const unusual: Pick<Edge, 'inode' | 'type'>[] = [];
      for (const edge of wanted) {
        const one = content(edge.inode);
        if (one === 'unusual') unusual.push(edge);
        else if (one !== undefined) found.set(edge.inode, one);
      }
      if (unusual.length > 0) for (const [inode, one] of await generic.contents(unusual)) found.set(inode, one);
      return found;
    },
    close: generic.close,
  };
};

type Acls = ReadonlyMap<number, NonNullable<Content['accessAcl']>>;
/** Filled as it is found. */
type Draft = { -readonly [Field in keyof Content]: Content[Field] };

const attrOf = (inode: bigint, row: SqlRow, nanos: bigint): Attr => {
  const packed = small(row[0]);
  const all = Number(nanos);
  const [atime, atimensec] = timeOf(row[3], all & 4095);
  const [mtime, mtimensec] = timeOf(row[4], Math.floor(all / 4096) & 4095);
  const [ctime, ctimensec] = timeOf(row[5], Math.floor(all / 16_777_216) & 4095);
  return {
    inode,
    type: packed & 15,
    flags: (packed >>> 16) & 255,
    mode: (packed >>> 4) & 0xfff,
    uid: small(row[1]) >>> 0,
    gid: small(row[2]) >>> 0,
    atime,
    atimensec,
    mtime,
    mtimensec,
    ctime,
    ctimensec,
    nlink: small(row[7]) >>> 0,
    length: integer(row[8]),
    rdev: small(row[9]) >>> 0,
    tier: (packed >>> 24) & 255,
  };
};

/** Chunks beyond the end stay behind when a file is cut. */
const chunksOf = (attr: Attr, rows: readonly SqlRow[]): readonly Chunk[] => {
  const found: Chunk[] = [];
  for (const row of rows) {
    const index = small(row[0]);
    const slices = binary(row[1]);
    if (slices.length > 0 && BigInt(index) * CHUNK_BYTES < attr.length) found.push({ index, slices });
  }
  return found;
};
