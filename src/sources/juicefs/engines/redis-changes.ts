import type { Services } from '../../contract.ts';
import type { JuicefsAddress } from '../address.ts';
import { openRedisAt } from './open.ts';
import { bytesOf } from './redis.ts';

/** What changed in a Redis server while it was read: its own counters, of the whole server. */
export interface ChangeWatch {
  /** `none`, or the counters that moved. */
  end(): Promise<string>;
}

/** Of INFO: each moves with a write, or with what hides one. */
const COUNTERS = ['run_id', 'master_repl_offset', 'rdb_changes_since_last_save', 'rdb_last_save_time'] as const;

export const watchChanges = async (address: JuicefsAddress, services: Services): Promise<ChangeWatch> => {
  const session = await openRedisAt(address, services);
  const read = async (): Promise<ReadonlyMap<string, string>> => {
    const info = bytesOf(await session.call('INFO'))?.toString('utf8') ?? '';
    return new Map(COUNTERS.map((name) => [name, new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? 'unknown']));
  };
  const before = await read();
  return {
    async end() {
      const after = await read();
      await session.close();
      // A server that does not say how much was written may have been written to.
      const moved = COUNTERS.filter((name) => before.get(name) !== after.get(name) || after.get(name) === 'unknown');
      return moved.length === 0 ? 'none' : moved.join(', ');
    },
  };
};
