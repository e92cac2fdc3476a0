import type { Services, Stage } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { readTables, type Table } from './catalog.ts';
import { withConnection } from './connect.ts';
import { runLane } from './lane.ts';
import { CHUNK_BYTES, planChunks, refuseTooLarge } from './plan.ts';
import { type LaneTask, LaneTaskSchema } from './tasks.ts';

/** More connections than this help no server, and each is a function that must run at the same time as the others. */
const LANES_MAX = 32;

/** Chunks a lane when there are no more than needed: enough that all end at about the same time. */
const CHUNKS_A_LANE = 4;
/** A chunk smaller than this is not worth a segment. In bytes. */
const CHUNK_LEAST_BYTES = 1024 * 1024;

const sizeOf = (tables: readonly Table[], lanes: number, chunkBytes: number): number => {
  const share = tables.reduce((sum, table) => sum + table.bytes, 0) / (lanes * CHUNKS_A_LANE);
  return Math.min(chunkBytes, Math.max(CHUNK_LEAST_BYTES, Math.ceil(share)));
};

/** Lanes that live together: MySQL cannot hand a snapshot on, so each connection has its own from the one instant to its end. */
export const dumpStage = (address: MysqlAddress, services: Services, chunkBytes: number = CHUNK_BYTES): Stage => ({
  name: 'dump',
  mode: 'together',
  async *plan(context) {
    const { tables, chunks, bytes } = await withConnection(
      address,
      services,
      async (connection) => {
        const found = await readTables(connection);
        return { tables: found, ...(await planChunks(connection, found, sizeOf(found, context.concurrency ?? 1, chunkBytes))) };
      },
      { signal: context.budget.signal },
    );
    const lanes = Math.min(context.concurrency ?? 1, LANES_MAX, chunks.filter(({ kind }) => kind === 'rows').length || 1);
    refuseTooLarge(bytes, lanes, context.budget.remaining());
    const definitions = Object.fromEntries(tables.map((table) => [table.name, table.definition]));
    for (let lane = 0; lane < lanes; lane++) {
      const task: LaneTask = { lane, lanes, tables: definitions, chunks };
      yield { task };
    }
  },
  run: (json, context) => runLane(address, services, LaneTaskSchema.parse(json), context),
});
