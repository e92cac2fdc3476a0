import { ROOT_INODE, TRASH_INODE, TYPE } from '../model.ts';
import type { Dialect } from './sql.ts';

/**
 * What follows from the names and inodes of a volume, as queries: a load writes what they answer, an audit compares it with what is
 * stored. `n` names a row of `node`.
 */

/** Space of an inode, as all counters count it. */
const SPACE = `(CASE WHEN n.type = ${TYPE.regular} AND n.length > 0 THEN ((n.length + 4095) >> 12) << 12 ELSE 4096 END)`;

/** Inodes that the counters count. */
const COUNTED = `n.inode <> ${ROOT_INODE} AND n.inode <> ${TRASH_INODE}`;

/** `inode`, `c`: names of what is no folder. */
export const namesOfFiles = (dialect: Dialect): string =>
  `SELECT inode, COUNT(*) AS c FROM ${dialect.table('edge')} WHERE type <> ${TYPE.directory} GROUP BY inode`;

/** `parent`, `c`: folders in each folder that has any. */
export const foldersInFolders = (dialect: Dialect): string =>
  `SELECT parent, COUNT(*) AS c FROM ${dialect.table('edge')} WHERE type = ${TYPE.directory} GROUP BY parent`;

/** `inode`, `l`, `s`, `c`: length, space and number of what lies directly in each folder. */
export const statistics = (dialect: Dialect): string => {
  const node = dialect.table('node');
  const children = `SELECT e.parent AS parent, SUM(CASE WHEN n.type = ${TYPE.regular} THEN n.length ELSE 0 END) AS l, SUM(${SPACE}) AS s, COUNT(*) AS c FROM ${dialect.table('edge')} e JOIN ${node} n ON n.inode = e.inode GROUP BY e.parent`;
  return `SELECT d.inode AS inode, COALESCE(q.l, 0) AS l, COALESCE(q.s, 0) AS s, COALESCE(q.c, 0) AS c FROM ${node} d LEFT JOIN (${children}) q ON q.parent = d.inode WHERE d.type = ${TYPE.directory}`;
};

/** Space and inodes below a folder, from the statistics. */
export const usedBelow = (dialect: Dialect, inode: bigint): string =>
  `WITH RECURSIVE below (inode) AS (SELECT ${dialect.engine === 'postgres' ? `CAST(${inode} AS bigint)` : inode} UNION SELECT e.inode FROM ${dialect.table('edge')} e JOIN below b ON e.parent = b.inode WHERE e.type = ${TYPE.directory})
   SELECT COALESCE(SUM(s.used_space), 0), COALESCE(SUM(s.used_inodes), 0) FROM ${dialect.table('dir_stats')} s JOIN below b ON s.inode = b.inode`;

/** `owner`, `s`, `c`: space and inodes by owner: files and folders count, each once, and nothing else does. */
export const usedByOwner = (dialect: Dialect, column: 'uid' | 'gid'): string =>
  `SELECT n.${column} AS owner, SUM(${SPACE}) AS s, COUNT(*) AS c FROM ${dialect.table('node')} n WHERE n.type IN (${TYPE.regular}, ${TYPE.directory}) AND ${COUNTED} GROUP BY n.${column}`;

/** Space and inodes of the volume. */
export const usedInAll = (dialect: Dialect): string =>
  `SELECT COALESCE(SUM(${SPACE}), 0), COUNT(*) FROM ${dialect.table('node')} n WHERE ${COUNTED}`;
