import { isLimited, ROOT_INODE, TRASH_INODE, TYPE } from '../model.ts';
import { integer, type SqlSession } from './sql.ts';
import type { FinishStep, HeadToLoad } from './writer.ts';

/** Slice ids that are left free above the highest that is known: objects newer than the backup may lie in the bucket. */
const CHUNK_ID_MARGIN = 1_000_000n;

/** Space of a row of `node`, as all counters count it. */
const SPACE = `(CASE WHEN n.type = ${TYPE.regular} AND n.length > 0 THEN ((n.length + 4095) >> 12) << 12 ELSE 4096 END)`;

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
const ensureTrash = async ({ dialect, run }: SqlSession, now: Date): Promise<void> => {
  const time = BigInt(now.getTime()) * 1000n;
  const columns = [
    'inode',
    'type',
    'flags',
    'mode',
    'uid',
    'gid',
    'atime',
    'mtime',
    'ctime',
    'nlink',
    'length',
    'rdev',
    'parent',
    'access_acl_id',
    'default_acl_id',
    'tier_id',
  ];
  const row = `(${TRASH_INODE},${TYPE.directory},0,${0o555},0,0,${time},${time},${time},2,4096,0,${ROOT_INODE},0,0,0)`;
  await run(dialect.insertIfAbsent(dialect.table('node'), columns, [row]), 'making the trash');
};

const setLinks = async ({ dialect, run }: SqlSession): Promise<void> => {
  const edge = dialect.table('edge');
  const node = dialect.table('node');
  const several = `SELECT inode, COUNT(*) AS c FROM ${edge} WHERE type <> ${TYPE.directory} GROUP BY inode HAVING COUNT(*) > 1`;
  await run(
    dialect.updateFrom(
      node,
      [
        ['nlink', 'q.c'],
        ['parent', '0'],
      ],
      several,
      'q.inode = n.inode',
    ),
    'counting links',
  );
  const folders = `SELECT parent, COUNT(*) AS c FROM ${edge} WHERE type = ${TYPE.directory} GROUP BY parent`;
  await run(
    dialect.updateFrom(node, [['nlink', '2 + q.c']], folders, `q.parent = n.inode AND n.inode < ${TRASH_INODE}`),
    'counting folders',
  );
};

const setStatistics = async ({ dialect, run }: SqlSession): Promise<void> => {
  const stats = dialect.table('dir_stats');
  const node = dialect.table('node');
  const children = `SELECT e.parent AS parent, SUM(CASE WHEN n.type = ${TYPE.regular} THEN n.length ELSE 0 END) AS l, SUM(${SPACE}) AS s, COUNT(*) AS c FROM ${dialect.table('edge')} e JOIN ${node} n ON n.inode = e.inode GROUP BY e.parent`;
  await run(`DELETE FROM ${stats}`, 'counting what directories hold');
  await run(
    `INSERT INTO ${stats} (inode, data_length, used_space, used_inodes) SELECT d.inode, COALESCE(q.l, 0), COALESCE(q.s, 0), COALESCE(q.c, 0) FROM ${node} d LEFT JOIN (${children}) q ON q.parent = d.inode WHERE d.type = ${TYPE.directory}`,
    'counting what directories hold',
  );
};

const setQuotas = async (session: SqlSession, head: HeadToLoad): Promise<void> => {
  const { dialect, rows, run } = session;
  await run(`DELETE FROM ${dialect.table('dir_quota')}`, 'setting quotas');
  for (const [inode, { maxSpace, maxInodes }] of head.quotas) {
    const [used] = await rows(usedBelow(session, inode), 'adding up quotas');
    await run(
      dialect.insertIfAbsent(
        dialect.table('dir_quota'),
        ['inode', 'max_space', 'max_inodes', 'used_space', 'used_inodes'],
        [`(${inode},${maxSpace},${maxInodes},${integer(used?.[0])},${integer(used?.[1])})`],
      ),
      'setting quotas',
    );
  }
  await run(`DELETE FROM ${dialect.table('user_group_quota')}`, 'setting quotas');
  if (head.userQuotas.size === 0 && head.groupQuotas.size === 0) return;
  await setOwnerQuotas(session, 1, 'uid', head.userQuotas);
  await setOwnerQuotas(session, 2, 'gid', head.groupQuotas);
};

const usedBelow = ({ dialect }: SqlSession, inode: bigint): string =>
  `WITH RECURSIVE below (inode) AS (SELECT ${dialect.engine === 'postgres' ? `CAST(${inode} AS bigint)` : inode} UNION SELECT e.inode FROM ${dialect.table('edge')} e JOIN below b ON e.parent = b.inode WHERE e.type = ${TYPE.directory})
   SELECT COALESCE(SUM(s.used_space), 0), COALESCE(SUM(s.used_inodes), 0) FROM ${dialect.table('dir_stats')} s JOIN below b ON s.inode = b.inode`;

/** Files and directories count, each once, and nothing else does; every owner that is met gets a row. */
const setOwnerQuotas = async (
  { dialect, rows, run }: SqlSession,
  type: 1 | 2,
  column: 'uid' | 'gid',
  quotas: HeadToLoad['userQuotas'],
): Promise<void> => {
  const found = await rows(
    `SELECT n.${column}, SUM(${SPACE}), COUNT(*) FROM ${dialect.table('node')} n WHERE n.type IN (${TYPE.regular}, ${TYPE.directory}) AND n.inode <> ${ROOT_INODE} AND n.inode <> ${TRASH_INODE} GROUP BY n.${column}`,
    'adding up quotas of owners',
  );
  const used = new Map(found.map((row) => [integer(row[0]), { space: integer(row[1]), inodes: integer(row[2]) }]));
  const keys = [...new Set([...used.keys(), ...quotas.keys()])];
  const lines = keys.map((key) => {
    const limit = quotas.get(key);
    const own = used.get(key);
    const shown = limit !== undefined && isLimited(limit) ? limit : { maxSpace: -1n, maxInodes: -1n };
    return `(${type},${key},${shown.maxSpace},${shown.maxInodes},${own?.space ?? 0n},${own?.inodes ?? 0n})`;
  });
  if (lines.length > 0)
    await run(
      dialect.insertIfAbsent(
        dialect.table('user_group_quota'),
        ['qtype', 'qkey', 'max_space', 'max_inodes', 'used_space', 'used_inodes'],
        lines,
      ),
      'setting quotas of owners',
    );
};

const highest = (...values: readonly bigint[]): bigint => {
  let most = 0n;
  for (const value of values) if (value > most) most = value;
  return most;
};

/** The next ids lie above all that is known: what was dumped, what is in the tree, what waits to be deleted. */
export const nextIds = (head: HeadToLoad, found: { readonly inode: bigint; readonly slice: bigint; readonly trash: bigint }) => {
  const waiting = [...head.delFiles.map(({ inode }) => inode), ...head.sustained.flatMap(({ inodes }) => inodes)];
  return {
    nextInode: highest(head.counters.nextInodes, found.inode + 1n, 2n, ...waiting.map((inode) => inode + 1n)),
    nextChunk: highest(head.counters.nextChunk, found.slice + 1n) + CHUNK_ID_MARGIN,
    nextTrash: highest(head.counters.nextTrash, found.trash),
  };
};

const setCounters = async ({ dialect, rows, run }: SqlSession, head: HeadToLoad): Promise<void> => {
  const node = dialect.table('node');
  const [total] = await rows(
    `SELECT COALESCE(SUM(${SPACE}), 0), COUNT(*) FROM ${node} n WHERE n.inode <> ${ROOT_INODE} AND n.inode <> ${TRASH_INODE}`,
    'counting inodes',
  );
  const [inode] = await rows(`SELECT COALESCE(MAX(inode), 1) FROM ${node} WHERE inode < ${TRASH_INODE}`, 'counting inodes');
  const [trash] = await rows(
    `SELECT COALESCE(MAX(inode), ${TRASH_INODE}) - ${TRASH_INODE} FROM ${node} WHERE inode >= ${TRASH_INODE}`,
    'counting inodes',
  );
  const [slice] = await rows(`SELECT COALESCE(MAX(chunkid), 0) FROM ${dialect.table('chunk_ref')}`, 'counting slices');
  const next = nextIds(head, { inode: integer(inode?.[0]), slice: integer(slice?.[0]), trash: integer(trash?.[0]) });
  const counters: readonly (readonly [string, bigint])[] = [
    ['usedSpace', integer(total?.[0])],
    ['totalInodes', integer(total?.[1])],
    ['nextInode', next.nextInode],
    ['nextChunk', next.nextChunk],
    ['nextSession', 0n],
    ['nextTrash', next.nextTrash],
  ];
  const lines = counters.map(([name, value]) => `(${dialect.text(name)}, ${value})`);
  await run(dialect.insertOrReplace(dialect.table('counter'), ['name', 'value'], lines, 'name'), 'setting counters');
  if (head.delFiles.length === 0) return;
  const files = head.delFiles.map(({ inode: file, length, expire }) => `(${file},${length},${expire})`);
  await run(dialect.insertIfAbsent(dialect.table('delfile'), ['inode', 'length', 'expire'], files), 'writing deleted files');
};

/** In the transaction of its caller. */
export const publishVolume = async ({ dialect, run }: SqlSession, head: HeadToLoad): Promise<void> => {
  const row = `(${dialect.text('format')}, ${dialect.text(head.setting)})`;
  await run(dialect.insertOrReplace(dialect.table('setting'), ['name', 'value'], [row], 'name'), 'writing the setting');
};
