import { z } from 'zod';
import { sumDigests } from '../../backup/digest.ts';
import type { Part, Services, Stage } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { readTables } from './catalog.ts';
import { withConnection } from './connect.ts';
import type { LaneFacts } from './dump-facts.ts';
import { dumpChunk, dumpMeans } from './lane.ts';
import { readPosition } from './passed.ts';
import { CHUNK_BYTES, planChunks } from './plan.ts';
import { ChunkSchema } from './tasks.ts';

const TaskSchema = z.strictObject({ index: z.int().nonnegative(), of: z.int().positive(), chunk: ChunkSchema });

/**
 * The dump of a server that nobody else writes to (a clone of a snapshot): whenever a connection looks, it sees the same. So each
 * chunk is a task of its own, in any order, again after a failure, for as long as it takes.
 */
export const quiescedDump = (address: MysqlAddress, services: Services, chunkBytes: number = CHUNK_BYTES): Stage => ({
  name: 'dump',
  mode: 'independent',
  async *plan(context) {
    const { chunks } = await withConnection(
      address,
      services,
      async (connection) => planChunks(connection, await readTables(connection), chunkBytes),
      { signal: context.budget.signal },
    );
    for (const [index, chunk] of chunks.entries()) yield { task: { index, of: chunks.length, chunk } };
  },
  async run(json, context): Promise<Part> {
    const { index, of, chunk } = TaskSchema.parse(json);
    return withConnection(
      address,
      services,
      async (connection) => {
        await connection.run('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY', 'beginning to read');
        const tables = new Map((await readTables(connection)).map((table) => [table.name, table]));
        const done = await dumpChunk({ means: await dumpMeans(connection), services, context }, chunk, index, tables);
        const segment = await done.segment;
        const passed = { ...(await readPosition(connection)), way: 'quiesced' as const, lanes: 1, lockedMs: 0, kept: null };
        const facts: LaneFacts = { lane: index, of, chunks: [index], ...done.facts, ...(chunk.kind === 'facts' ? { passed } : {}) };
        return { segments: segment === undefined ? [] : [segment], digests: sumDigests(done.digests), facts: z.json().parse(facts) };
      },
      { signal: context.budget.signal },
    );
  },
});
