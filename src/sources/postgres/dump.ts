import type { Services, Stage } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { readTables } from './catalog.ts';
import { withConnection } from './connect.ts';
import { dumpData, SEGMENT_RAW_BYTES } from './data.ts';
import { dumpFacts } from './facts.ts';
import { joinInstant } from './instant.ts';
import { CHUNK_BYTES, planTasks } from './plan.ts';
import { dumpSchema } from './schema-task.ts';
import { dumpSequences } from './sequences.ts';
import { DumpTaskSchema } from './tasks.ts';

export interface DumpSizes {
  readonly chunkBytes: number;
  readonly segmentRawBytes: number;
}

const SIZES: DumpSizes = { chunkBytes: CHUNK_BYTES, segmentRawBytes: SEGMENT_RAW_BYTES };

/** Every task reads at the instant, over a connection of its own; in any order, at the same time, again after a failure. */
export const dumpStage = (address: PostgresAddress, services: Services, sizes: DumpSizes = SIZES): Stage => ({
  name: 'dump',
  mode: 'independent',
  async *plan(context) {
    const tables = await withConnection(address, services, async (connection) => {
      await joinInstant(connection, await context.instants());
      return readTables(connection);
    });
    for (const task of planTasks(tables, sizes.chunkBytes)) yield { task };
  },
  async run(json, context, resume) {
    const task = DumpTaskSchema.parse(json);
    switch (task.kind) {
      case 'schema':
        return dumpSchema(address, services, task.section, context);
      case 'data':
        return dumpData(address, services, task.chunks, context, resume, sizes.segmentRawBytes);
      case 'sequences':
        return dumpSequences(address, services, context, resume);
      case 'facts':
        return dumpFacts(address, services, context, resume);
    }
  },
});
