import type { Services } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { type Connection, connect } from './connect.ts';
import { lockList } from './plan.ts';

/**
 * Keeps tables of engines without snapshots locked against writing until their rows are read, and reads them itself: another
 * connection would wait behind a writer that waits for this one.
 */
export interface Keeper {
  readonly connection: Connection;
  readonly tables: readonly string[];
  /** Seconds to wait for whoever writes now. Fails with the server's lock wait timeout. */
  lock(seconds: number): Promise<void>;
  /** Lets writers go on; answers how long they had to wait, in milliseconds. */
  unlock(): Promise<number>;
}

/** For these tables; undefined when there are none. */
export const openKeeper = async (address: MysqlAddress, services: Services, names: readonly string[]): Promise<Keeper | undefined> => {
  if (names.length === 0) return undefined;
  const connection = await connect(address, services);
  let lockedAt = 0;
  return {
    connection,
    tables: names,
    async lock(seconds) {
      await connection.run(`SET SESSION lock_wait_timeout = ${seconds}`);
      await connection.run(`LOCK TABLES ${lockList(names)}`, 'locking the tables without snapshots');
      lockedAt = performance.now();
    },
    async unlock() {
      await connection.run('UNLOCK TABLES', 'unlocking the tables without snapshots');
      return Math.round((performance.now() - lockedAt) * 10) / 10;
    },
  };
};
