import type { Check } from '../../../backup/types.ts';
import { CHUNK_BITS, SLICE_BYTES, TRASH_INODE, TYPE } from '../model.ts';
import { type Dialect, integer, type SqlSession } from './sql.ts';
import { foldersInFolders, namesOfFiles, statistics, usedBelow, usedByOwner, usedInAll } from './sql-derived.ts';

/** A query that counts what must not be. */
type Flaw = readonly [name: string, sql: string];

const none = async ({ rows }: SqlSession, flaws: readonly Flaw[]): Promise<Check[]> => {
  const checks: Check[] = [];
  for (const [name, sql] of flaws) {
    const [row] = await rows(sql, `checking ${name}`);
    const found = integer(row?.[0]);
    checks.push({ name, expected: '0', actual: String(found), ok: found === 0n });
  }
  return checks;
};

const NAMELESS = `n.inode <> 1 AND n.inode <> ${TRASH_INODE}`;

/** Whether names and inodes belong together. What a bad dump can break: asked before a volume is published. */
export const sqlChecks = (session: SqlSession): Promise<readonly Check[]> => {
  const { dialect } = session;
  const [edge, node] = [dialect.table('edge'), dialect.table('node')];
  return none(session, [
    ['names without an inode', `SELECT COUNT(*) FROM ${edge} e LEFT JOIN ${node} n ON n.inode = e.inode WHERE n.inode IS NULL`],
    [
      'names without a directory',
      `SELECT COUNT(*) FROM ${edge} e LEFT JOIN ${node} n ON n.inode = e.parent AND n.type = ${TYPE.directory} WHERE n.inode IS NULL`,
    ],
    [
      'inodes without a name',
      `SELECT COUNT(*) FROM ${node} n LEFT JOIN ${edge} e ON e.inode = n.inode WHERE e.inode IS NULL AND ${NAMELESS}`,
    ],
    [
      'directories with several names',
      `SELECT COUNT(*) FROM (SELECT inode FROM ${edge} WHERE type = ${TYPE.directory} GROUP BY inode HAVING COUNT(*) > 1) q`,
    ],
    [
      'types that differ between name and inode',
      `SELECT COUNT(*) FROM ${edge} e JOIN ${node} n ON n.inode = e.inode WHERE n.type <> e.type`,
    ],
  ]);
};

/** All that follows from names and inodes, computed anew and compared with what is stored. Only an audit needs to know. */
export const sqlRecount = async (session: SqlSession): Promise<readonly Check[]> => [
  ...(await none(session, flawsOf(session.dialect))),
  ...(await totals(session)),
  ...(await quotasBelow(session)),
  ...(await quotasOfOwners(session)),
];

const flawsOf = (dialect: Dialect): readonly Flaw[] => {
  const [edge, node, chunk] = [dialect.table('edge'), dialect.table('node'), dialect.table('chunk')];
  const [stats, symlink, xattr] = [dialect.table('dir_stats'), dialect.table('symlink'), dialect.table('xattr')];
  const slices = `LENGTH(${dialect.raw('c.slices')})`;
  const special = `n.type NOT IN (${TYPE.regular}, ${TYPE.directory}, ${TYPE.symlink})`;
  return [
    [
      'links of files that are not counted',
      `SELECT COUNT(*) FROM ${node} n JOIN (${namesOfFiles(dialect)}) q ON q.inode = n.inode WHERE n.nlink <> q.c`,
    ],
    [
      'links of directories that are not counted',
      `SELECT COUNT(*) FROM ${node} n LEFT JOIN (${foldersInFolders(dialect)}) q ON q.parent = n.inode WHERE n.type = ${TYPE.directory} AND n.inode < ${TRASH_INODE} AND n.nlink <> 2 + COALESCE(q.c, 0)`,
    ],
    [
      'parents that are not those of the name',
      `SELECT COUNT(*) FROM ${node} n JOIN (SELECT inode, COUNT(*) AS c, MIN(parent) AS p FROM ${edge} GROUP BY inode) q ON q.inode = n.inode WHERE n.parent <> CASE WHEN q.c > 1 THEN 0 ELSE q.p END`,
    ],
    [
      'lengths that cannot be',
      `SELECT COUNT(*) FROM ${node} n LEFT JOIN ${symlink} s ON s.inode = n.inode WHERE n.length < 0 OR (n.type = ${TYPE.directory} AND n.length <> 4096) OR (n.type = ${TYPE.symlink} AND n.length <> COALESCE(LENGTH(${dialect.raw('s.target')}), -1)) OR (${special} AND n.length <> 0)`,
    ],
    [
      'chunks without an inode',
      `SELECT COUNT(*) FROM ${chunk} c LEFT JOIN ${node} n ON n.inode = c.inode LEFT JOIN ${dialect.table('delfile')} d ON d.inode = c.inode WHERE n.inode IS NULL AND d.inode IS NULL`,
    ],
    [
      'chunks behind the end of their file',
      `SELECT COUNT(*) FROM ${chunk} c JOIN ${node} n ON n.inode = c.inode WHERE c.indx < 0 OR n.length <= 0 OR c.indx > (n.length - 1) >> ${CHUNK_BITS}`,
    ],
    ['chunks that are not whole slices', `SELECT COUNT(*) FROM ${chunk} c WHERE ${slices} = 0 OR ${slices} % ${SLICE_BYTES} <> 0`],
    ['xattrs without an inode', `SELECT COUNT(*) FROM ${xattr} x LEFT JOIN ${node} n ON n.inode = x.inode WHERE n.inode IS NULL`],
    [
      'access rules that are not there',
      `SELECT COUNT(*) FROM ${node} n WHERE ${['access_acl_id', 'default_acl_id'].map((name) => `(n.${name} > 0 AND NOT EXISTS (SELECT 1 FROM ${dialect.table('acl')} a WHERE a.id = n.${name}))`).join(' OR ')}`,
    ],
    [
      'directories whose statistics differ',
      `SELECT COUNT(*) FROM (${statistics(dialect)}) r LEFT JOIN ${stats} t ON t.inode = r.inode WHERE t.inode IS NULL OR t.data_length <> r.l OR t.used_space <> r.s OR t.used_inodes <> r.c`,
    ],
    [
      'statistics of no directory',
      `SELECT COUNT(*) FROM ${stats} t LEFT JOIN ${node} n ON n.inode = t.inode AND n.type = ${TYPE.directory} WHERE n.inode IS NULL`,
    ],
  ];
};

const check = (name: string, expected: bigint, actual: bigint): Check => ({
  name,
  expected: String(expected),
  actual: String(actual),
  ok: expected === actual,
});

const totals = async ({ dialect, rows }: SqlSession): Promise<Check[]> => {
  const stored = async (name: string): Promise<bigint> => {
    const [row] = await rows(
      `SELECT ${dialect.column('value')} FROM ${dialect.table('counter')} WHERE ${dialect.column('name')} = ${dialect.text(name)}`,
      'reading the counters',
    );
    return integer(row?.[0]);
  };
  const [used] = await rows(usedInAll(dialect), 'counting inodes');
  return [
    check('used inodes', integer(used?.[1]), await stored('totalInodes')),
    check('used space', integer(used?.[0]), await stored('usedSpace')),
  ];
};

const quotasBelow = async ({ dialect, rows }: SqlSession): Promise<Check[]> => {
  let wrong = 0n;
  for (const [inode, space, inodes] of await rows(
    `SELECT inode, used_space, used_inodes FROM ${dialect.table('dir_quota')}`,
    'reading quotas',
  )) {
    const [used] = await rows(usedBelow(dialect, integer(inode)), 'adding up quotas');
    if (integer(used?.[0]) !== integer(space) || integer(used?.[1]) !== integer(inodes)) wrong++;
  }
  return [check('quotas of directories whose use differs', 0n, wrong)];
};

const quotasOfOwners = async (session: SqlSession): Promise<Check[]> => {
  const { dialect } = session;
  const quota = dialect.table('user_group_quota');
  const flaw = (type: 1 | 2, column: 'uid' | 'gid'): Flaw => [
    `quotas of ${type === 1 ? 'users' : 'groups'} whose use differs`,
    `SELECT COUNT(*) FROM ${quota} u LEFT JOIN (${usedByOwner(dialect, column)}) r ON r.owner = u.qkey WHERE u.qtype = ${type} AND (u.used_space <> COALESCE(r.s, 0) OR u.used_inodes <> COALESCE(r.c, 0))`,
  ];
  return none(session, [flaw(1, 'uid'), flaw(2, 'gid')]);
};
