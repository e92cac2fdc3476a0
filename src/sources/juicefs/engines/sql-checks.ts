import type { Check } from '../../../backup/types.ts';
import { TRASH_INODE, TYPE } from '../model.ts';
import { integer, type SqlSession } from './sql.ts';

/** What must hold in every volume, by set queries: nothing of it is content. */
export const sqlChecks = async ({ dialect, rows }: SqlSession): Promise<readonly Check[]> => {
  const edge = dialect.table('edge');
  const node = dialect.table('node');
  const none = async (name: string, sql: string): Promise<Check> => {
    const [row] = await rows(sql, `checking ${name}`);
    const found = integer(row?.[0]);
    return { name, expected: '0', actual: String(found), ok: found === 0n };
  };
  const equal = async (name: string, stored: string, computed: string): Promise<Check> => {
    const [left] = await rows(stored, `checking ${name}`);
    const [right] = await rows(computed, `checking ${name}`);
    const pair = { expected: String(integer(right?.[0])), actual: String(integer(left?.[0])) };
    return { name, ...pair, ok: pair.expected === pair.actual };
  };
  const counter = (name: string): string =>
    `SELECT ${dialect.column('value')} FROM ${dialect.table('counter')} WHERE ${dialect.column('name')} = ${dialect.text(name)}`;
  const counted = `FROM ${node} n WHERE n.inode <> 1 AND n.inode <> ${TRASH_INODE}`;
  const space = `CASE WHEN n.type = ${TYPE.regular} AND n.length > 0 THEN ((n.length + 4095) >> 12) << 12 ELSE 4096 END`;
  return [
    await none('names without an inode', `SELECT COUNT(*) FROM ${edge} e LEFT JOIN ${node} n ON n.inode = e.inode WHERE n.inode IS NULL`),
    await none(
      'names without a directory',
      `SELECT COUNT(*) FROM ${edge} e LEFT JOIN ${node} n ON n.inode = e.parent AND n.type = ${TYPE.directory} WHERE n.inode IS NULL`,
    ),
    await none(
      'inodes without a name',
      `SELECT COUNT(*) FROM ${node} n LEFT JOIN ${edge} e ON e.inode = n.inode WHERE e.inode IS NULL AND n.inode <> 1 AND n.inode <> ${TRASH_INODE}`,
    ),
    await none(
      'directories with several names',
      `SELECT COUNT(*) FROM (SELECT inode FROM ${edge} WHERE type = ${TYPE.directory} GROUP BY inode HAVING COUNT(*) > 1) q`,
    ),
    await none(
      'types that differ between name and inode',
      `SELECT COUNT(*) FROM ${edge} e JOIN ${node} n ON n.inode = e.inode WHERE n.type <> e.type`,
    ),
    await none(
      'links of files that are not counted',
      `SELECT COUNT(*) FROM ${node} n JOIN (SELECT inode, COUNT(*) AS c FROM ${edge} WHERE type <> ${TYPE.directory} GROUP BY inode) q ON q.inode = n.inode WHERE n.nlink <> q.c`,
    ),
    await none(
      'chunks without an inode',
      `SELECT COUNT(*) FROM ${dialect.table('chunk')} c LEFT JOIN ${node} n ON n.inode = c.inode LEFT JOIN ${dialect.table('delfile')} d ON d.inode = c.inode WHERE n.inode IS NULL AND d.inode IS NULL`,
    ),
    await equal('used inodes', counter('totalInodes'), `SELECT COUNT(*) ${counted}`),
    await equal('used space', counter('usedSpace'), `SELECT COALESCE(SUM(${space}), 0) ${counted}`),
  ];
};
