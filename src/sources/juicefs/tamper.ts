import { LifeboatError } from '../../errors.ts';
import type { Services, Tampering } from '../contract.ts';
import type { JuicefsAddress } from './address.ts';
import { openSql } from './engines/open.ts';
import { integer } from './engines/sql.ts';
import { ENTRIES } from './read/rows.ts';
import { refuseUnlessScratch } from './scratch.ts';

/** Rows are chosen among the first ones. */
const ROWS_MAX = 1000;

/** Gives one inode other permissions, and one deleted file another length where there is one. Done twice, it is still changed. */
export const tamperWith = async (address: JuicefsAddress, services: Services, seed: number): Promise<Tampering> => {
  refuseUnlessScratch(address);
  const session = await openSql(address, services, false);
  try {
    const { dialect, rows, run } = session;
    const found = await rows(`SELECT inode FROM ${dialect.table('edge')} ORDER BY parent, name LIMIT ${ROWS_MAX}`, 'choosing an inode');
    const inode = found.length === 0 ? 1n : integer(found[seed % found.length]?.[0]);
    const changed = await run(`UPDATE ${dialect.table('node')} SET mode = (mode + 1) % 4096 WHERE inode = ${inode}`, 'tampering');
    if (changed !== 1) throw new LifeboatError('TargetProblem', `inode ${inode} of the scratch target could not be changed`);
    const deleted = await run(`UPDATE ${dialect.table('delfile')} SET length = length + 1`, 'tampering');
    return {
      what: [`changed the mode of inode ${inode}`, ...(deleted > 0 ? [`changed the length of ${deleted} deleted files`] : [])],
      classes: [...(deleted > 0 ? ['delfiles'] : []), ENTRIES],
    };
  } finally {
    await session.close();
  }
};
