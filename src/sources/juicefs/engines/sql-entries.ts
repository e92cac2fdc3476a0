import { LifeboatError } from '../../../errors.ts';
import { type Acl, TYPE } from '../model.ts';
import { aclKey } from './acl.ts';
import { type Into, integer, type SqlRow, type SqlSession } from './sql.ts';
import { NODES, nodeRow } from './sql-node.ts';
import { countReferences } from './sql-references.ts';
import type { Occurrence } from './writer.ts';

const EDGES: Into = { table: 'edge', columns: ['parent', 'name', 'inode', 'type'], there: 'keep' };
const CHUNKS: Into = { table: 'chunk', columns: ['inode', 'indx', 'slices'], there: 'keep' };
const XATTRS: Into = { table: 'xattr', columns: ['inode', 'name', 'value'], there: 'keep' };
const SYMLINKS: Into = { table: 'symlink', columns: ['inode', 'target'], there: 'keep' };
const REFERENCES: Into = { table: 'chunk_ref', columns: ['chunkid', 'size', 'refs'], there: 'add' };

/**
 * Within a transaction: names that are there stay, and so do inodes with all that is theirs; slice references rise for files that came in.
 * Answers how many names were new. Who does not doubt takes inodes for new, and fails with SourceBusy where one is not.
 */
export const insertEntries = async (
  session: SqlSession,
  rules: ReadonlyMap<string, number>,
  occurrences: readonly Occurrence[],
  doubting: boolean,
): Promise<number> => {
  const sent: Promise<number>[] = [];
  const put = (into: Into, rows: readonly SqlRow[]): Promise<number> => {
    const written = session.insert(into, rows, `writing ${into.table}`, sent.at(-1));
    // It is waited for below, and may fail before.
    written.catch(() => {});
    sent.push(written);
    return written;
  };
  try {
    return await insertRows(session, put, rules, occurrences, doubting);
  } finally {
    // Nothing may be sent any more when the transaction is given up.
    await Promise.allSettled(sent);
  }
};

type Put = (into: Into, rows: readonly SqlRow[]) => Promise<number>;

const insertRows = async (
  session: SqlSession,
  put: Put,
  rules: ReadonlyMap<string, number>,
  occurrences: readonly Occurrence[],
  doubting: boolean,
): Promise<number> => {
  const edges: SqlRow[] = [];
  for (const { root, parent, entry } of occurrences) if (!root) edges.push([parent, entry.name, entry.attr.inode, entry.attr.type]);
  const named = put(EDGES, edges);
  const { first, asked } = firstOccurrences(occurrences, doubting);
  if (asked.length > 0) {
    await named;
    for (const inode of await inodesThere(session, asked)) first.delete(inode);
  }
  const fresh = [...first.values()];
  const nodes = put(
    NODES,
    fresh.map(({ parent, entry: { attr, symlink, accessAcl, defaultAcl } }) =>
      nodeRow({ attr, parent, symlink, accessRule: ruleOf(rules, accessAcl), defaultRule: ruleOf(rules, defaultAcl) }),
    ),
  );
  const chunks: SqlRow[] = [];
  const xattrs: SqlRow[] = [];
  const links: SqlRow[] = [];
  const references = countReferences();
  for (const { entry } of fresh) {
    const { inode } = entry.attr;
    if (entry.symlink !== undefined) links.push([inode, entry.symlink]);
    for (const { name, value } of entry.xattrs ?? []) xattrs.push([inode, Buffer.from(name).toString('utf8'), value]);
    for (const { index, slices } of entry.chunks ?? []) {
      chunks.push([inode, index, slices]);
      references.add(slices);
    }
  }
  put(CHUNKS, chunks);
  put(XATTRS, xattrs);
  put(SYMLINKS, links);
  await put(REFERENCES, references.rows());
  // Some are there, or another writer was first with them: the transaction begins anew, and sees them.
  if ((await nodes) !== fresh.length) throw new LifeboatError('SourceBusy', 'two writers brought the same inode at the same time');
  return named;
};

const ruleOf = (rules: ReadonlyMap<string, number>, acl: Acl | undefined): number =>
  acl === undefined ? 0 : (rules.get(aclKey(acl)) ?? 0);

/**
 * The first occurrence of each inode, and which are to be looked for: who does not doubt asks for those of several names only. A number
 * that is wrong in the dump, or rows of a task that is run again, show when the inodes are written.
 */
const firstOccurrences = (occurrences: readonly Occurrence[], doubting: boolean) => {
  const first = new Map<bigint, Occurrence>();
  const asked: bigint[] = [];
  for (const one of occurrences) {
    const { inode, nlink, type } = one.entry.attr;
    if (first.has(inode)) continue;
    first.set(inode, one);
    if (doubting || (nlink > 1 && type !== TYPE.directory)) asked.push(inode);
  }
  return { first, asked };
};

const inodesThere = async ({ dialect, rows }: SqlSession, inodes: readonly bigint[]): Promise<readonly bigint[]> => {
  const there = await rows(`SELECT inode FROM ${dialect.table('node')} WHERE inode IN (${inodes.join(',')})`, 'looking for inodes');
  return there.map((row) => integer(row[0]));
};
