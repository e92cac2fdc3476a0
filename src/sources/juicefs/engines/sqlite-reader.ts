import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { fillRest, type Rest } from './entry-rest.ts';
import { packedSql, unpack } from './packed.ts';
import type { Acls, Edge, EntryDraft, EntryPage, Page, PageRequest, Reader } from './reader.ts';
import { binary, type Dialect, integer, type SqlRow, small } from './sql.ts';
import { pageOfEntries, type TableColumns } from './sql-reader.ts';

/** What sqlReader does, for an engine in this process: statements are prepared once. */
export const sqliteReader = (
  generic: Reader,
  database: DatabaseSync,
  dialect: Dialect,
  known: TableColumns,
  { acls, hasXattrs }: { readonly acls: Acls; readonly hasXattrs: boolean },
): Reader => {
  const prepare = (sql: string): StatementSync => {
    const statement = database.prepare(sql);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    return statement;
  };
  const all = (statement: StatementSync, ...values: (bigint | number | string | Uint8Array)[]): readonly SqlRow[] =>
    statement.all(...values) as unknown as readonly SqlRow[];
  const edges = (columns: string, later: boolean): string =>
    `SELECT ${columns}, inode, ${dialect.column('type')} FROM ${dialect.table('edge')} WHERE parent = ?${later ? ' AND name > ?' : ''} ORDER BY name LIMIT ?`;
  const ask = (first: StatementSync, later: StatementSync, { directory, after, limit }: PageRequest): readonly SqlRow[] =>
    after === undefined ? all(first, directory, limit) : all(later, directory, after, limit);

  const firstNames = prepare(edges(dialect.raw('name'), false));
  const laterNames = prepare(edges(dialect.raw('name'), true));
  const names = (request: PageRequest): Page => {
    const rows = ask(firstNames, laterNames, request);
    return {
      edges: rows.map((row): Edge => ({ name: binary(row[0]), inode: integer(row[1]), type: small(row[2]) })),
      more: rows.length >= request.limit,
    };
  };

  const { value, joins } = packedSql(dialect, known, '0');
  // All of a page in one value: it keeps bytes as they are, whatever it calls the result on the way.
  const packed = (later: boolean): StatementSync =>
    prepare(`SELECT CAST(group_concat(v, '') AS BLOB) FROM (SELECT ${value} AS v FROM (${edges('name', later)}) e ${joins})`);
  const [firstPacked, laterPacked] = [packed(false), packed(true)];
  // The list is a parameter, so one statement does for all.
  const of = (columns: string, table: string) => {
    const statement = prepare(`SELECT ${columns} FROM json_each(?) j CROSS JOIN ${dialect.table(table)} t ON t.inode = j.value`);
    return (inodes: readonly bigint[]): readonly SqlRow[] => all(statement, `[${inodes.join(',')}]`);
  };
  const rest: Rest = {
    chunks: of(`t.inode, t.indx, ${dialect.raw('t.slices')}`, 'chunk'),
    targets: of(`t.inode, ${dialect.raw('t.target')}`, 'symlink'),
    ...(hasXattrs ? { xattrs: of(`t.inode, ${dialect.raw('t.name')}, ${dialect.raw('t.value')}`, 'xattr') } : {}),
  };
  const entries = async (request: PageRequest): Promise<EntryPage> => {
    const found: EntryDraft[] = [];
    unpack([binary(ask(firstPacked, laterPacked, request)[0]?.[0])], acls, [found]);
    await fillRest(found, rest);
    return pageOfEntries(found, request.limit);
  };

  return {
    local: true,
    head: generic.head,
    pages: async (requests) => requests.map(names),
    async entries(requests) {
      const pages: EntryPage[] = [];
      for (const request of requests) pages.push(await entries(request));
      return pages;
    },
    contents: generic.contents,
    close: generic.close,
  };
};
