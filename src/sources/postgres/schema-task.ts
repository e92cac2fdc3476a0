import { ordinal } from '../../backup/ordinal.ts';
import type { Ordinal, Segment } from '../../backup/types.ts';
import type { Part, Services, TaskContext } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { connect, withConnection } from './connect.ts';
import { exportAgain, joinInstant, snapshotOf } from './instant.ts';
import { pgDump } from './schema/pg-dump.ts';
import { forAnyTarget } from './schema/script-text.ts';
import { OPENING } from './session-sql.ts';
import type { Section } from './tasks.ts';

/** pg_dump cannot stop half-way, so it gets this long however little time is left. It needs 0.3 s for 200 tables. In milliseconds. */
const LEAST_TIME_MS = 20_000;

/** One section of the definitions at the instant, as one segment; the first of them opens the artifact. */
export const dumpSchema = async (address: PostgresAddress, services: Services, section: Section, context: TaskContext): Promise<Part> => {
  const text = await withConnection(address, services, async (holder) => {
    const own = await exportAgain(holder, await joinInstant(holder, await context.instants()));
    return pgDump(await connect(address, services), {
      section,
      snapshot: snapshotOf(own),
      timeout: Math.max(context.budget.remaining(), LEAST_TIME_MS),
      signal: context.budget.signal,
    });
  });
  const opening = section === 'pre-data' ? OPENING : '';
  return { segments: [await writeSql(context, ordinal(context.task, 0), section, [opening, forAnyTarget(text)])], digests: [] };
};

/** Stores a segment of statements without rows. */
export const writeSql = (
  context: TaskContext,
  at: Ordinal,
  kind: 'pre-data' | 'sequences' | 'post-data' | 'trailer',
  text: AsyncIterable<string> | Iterable<string>,
): Promise<Segment> => context.write.write(at, bytesOf(text), { encoding: 'zstd', extension: 'sql.zst', context: { kind } });

async function* bytesOf(text: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Uint8Array> {
  for await (const piece of text) yield Buffer.from(piece);
}
