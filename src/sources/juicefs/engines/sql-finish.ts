import { isLimited, ROOT_INODE, TRASH_INODE, trashAttr } from '../model.ts';
import { nextIds } from '../write/next-ids.ts';
import { type Into, integer, type SqlSession, string } from './sql.ts';
import { foldersInFolders, namesOfFiles, statistics, usedBelow, usedByOwner, usedInAll } from './sql-derived.ts';
import { NODES, nodeRow } from './sql-node.ts';
import type { FinishStep, HeadToLoad } from './writer.ts';

const USES = ['max_space', 'max_inodes', 'used_space', 'used_inodes'];
const QUOTAS: Into = { table: 'dir_quota', columns: ['inode', ...USES], there: 'keep' };
const OWNER_QUOTAS: Into = { table: 'user_group_quota', columns: ['qtype', 'qkey', ...USES], there: 'keep' };
const COUNTERS: Into = { table: 'counter', columns: ['name', 'value'], there: 'replace' };
const DELETED: Into = { table: 'delfile', columns: ['inode', 'length', 'expire'], there: 'keep' };
const SETTING: Into = { table: 'setting', columns: ['name', 'value'], there: 'replace' };

/** Outside of a transaction, which MySQL would end. */
export const makeIndexes = async ({ dialect, rows, run }: SqlSession): Promise<void> => {
  const there = async (): Promise<ReadonlySet<string>> =>
    new Set((await rows(dialect.indexNames, 'looking for indexes')).map(([name]) => string(name)));
  const known = await there();
  for (const [name, sql] of dialect.indexes) {
    if (known.has(name)) continue;
    try {
      await run(sql, `making index ${name}`);
    } catch (error) {
      // The same step may run twice at a time.
      if (!(await there()).has(name)) throw error;
    }
  }
};

/** Runs in a transaction. */
export const finishStep = async (session: SqlSession, step: FinishStep, head: HeadToLoad, now: Date): Promise<void> => {
  switch (step) {
    case 'links':
      await ensureTrash(session, now);
      return setLinks(session);
    case 'statistics':
      return setStatistics(session);
    case 'quotas':
      return setQuotas(session, head);
    case 'counters':
      return setCounters(session, head);
  }
};

/** A dump without trash would leave a volume in which nothing can be deleted. */
const ensureTrash = async ({ insert }: SqlSession, now: Date): Promise<void> => {
  const time = BigInt(Math.floor(now.getTime() / 1000));
  const nanos = (now.getTime() % 1000) * 1_000_000;
  const attr = trashAttr(time, nanos);
  const row = nodeRow({ attr, parent: ROOT_INODE, symlink: undefined, accessRule: 0, defaultRule: 0 });
  await insert(NODES, [row], 'making the trash');
};

const setLinks = async ({ dialect, run }: SqlSession): Promise<void> => {
  const node = dialect.table('node');
  const names = [
    ['nlink', 'q.c'],
    ['parent', '0'],
  ] as const;
  await run(dialect.updateFrom(node, names, `${namesOfFiles(dialect)} HAVING COUNT(*) > 1`, 'q.inode = n.inode'), 'counting links');
  const inTree = `q.parent = n.inode AND n.inode < ${TRASH_INODE}`;
  await run(dialect.updateFrom(node, [['nlink', '2 + q.c']], foldersInFolders(dialect), inTree), 'counting folders');
};

const setStatistics = async ({ dialect, run }: SqlSession): Promise<void> => {
  const stats = dialect.table('dir_stats');
  const doing = 'counting what directories hold';
  await run(`DELETE FROM ${stats}`, doing);
  await run(`INSERT INTO ${stats} (inode, data_length, used_space, used_inodes) ${statistics(dialect)}`, doing);
};

const setQuotas = async (session: SqlSession, head: HeadToLoad): Promise<void> => {
  const { dialect, rows, run, insert } = session;
  await run(`DELETE FROM ${dialect.table('dir_quota')}`, 'setting quotas');
  for (const [inode, { maxSpace, maxInodes }] of head.quotas) {
    const [used] = await rows(usedBelow(dialect, inode), 'adding up quotas');
    await insert(QUOTAS, [[inode, maxSpace, maxInodes, integer(used?.[0]), integer(used?.[1])]], 'setting quotas');
  }
  await run(`DELETE FROM ${dialect.table('user_group_quota')}`, 'setting quotas');
  if (head.userQuotas.size === 0 && head.groupQuotas.size === 0) return;
  await setOwnerQuotas(session, 1, 'uid', head.userQuotas);
  await setOwnerQuotas(session, 2, 'gid', head.groupQuotas);
};

/** Every owner that is met gets a row. */
const setOwnerQuotas = async (
  { dialect, rows, insert }: SqlSession,
  type: 1 | 2,
  column: 'uid' | 'gid',
  quotas: HeadToLoad['userQuotas'],
): Promise<void> => {
  const found = await rows(usedByOwner(dialect, column), 'adding up quotas of owners');
  const used = new Map(found.map((row) => [integer(row[0]), { space: integer(row[1]), inodes: integer(row[2]) }]));
  const keys = [...new Set([...used.keys(), ...quotas.keys()])];
  const lines = keys.map((key) => {
    const limit = quotas.get(key);
    const own = used.get(key);
    const shown = limit !== undefined && isLimited(limit) ? limit : { maxSpace: -1n, maxInodes: -1n };
    return [type, key, shown.maxSpace, shown.maxInodes, own?.space ?? 0n, own?.inodes ?? 0n];
  });
  await insert(OWNER_QUOTAS, lines, 'setting quotas of owners');
};

const setCounters = async ({ dialect, rows, insert }: SqlSession, head: HeadToLoad): Promise<void> => {
  const node = dialect.table('node');
  const first = async (sql: string, doing: string): Promise<bigint> => integer((await rows(sql, doing))[0]?.[0]);
  const [total] = await rows(usedInAll(dialect), 'counting inodes');
  const next = nextIds(head, {
    inode: await first(`SELECT COALESCE(MAX(inode), 1) FROM ${node} WHERE inode < ${TRASH_INODE}`, 'counting inodes'),
    slice: await first(`SELECT COALESCE(MAX(chunkid), 0) FROM ${dialect.table('chunk_ref')}`, 'counting slices'),
    trash: await first(
      `SELECT COALESCE(MAX(inode), ${TRASH_INODE}) - ${TRASH_INODE} FROM ${node} WHERE inode >= ${TRASH_INODE}`,
      'counting inodes',
    ),
  });
  const counters: readonly (readonly [string, bigint])[] = [
    ['usedSpace', integer(total?.[0])],
    ['totalInodes', integer(total?.[1])],
    ['nextInode', next.nextInode],
    ['nextChunk', next.nextChunk],
    ['nextSession', 0n],
    ['nextTrash', next.nextTrash],
  ];
  await insert(COUNTERS, counters, 'setting counters');
  const files = head.delFiles.map(({ inode: file, length, expire }) => [file, length, expire]);
  await insert(DELETED, files, 'writing deleted files');
};

/** In the transaction of its caller. */
export const publishVolume = async ({ insert }: SqlSession, head: HeadToLoad): Promise<void> => {
  await insert(SETTING, [['format', head.setting]], 'writing the setting');
};
