import { z } from 'zod';
import { restoreInput, segmentAt } from '../../backup/restore-input.ts';
import type { Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Part, Services, Stage, TaskContext } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { className } from './catalog.ts';
import { copyIn } from './copy-in.ts';
import { claim, requireMarker } from './marker.ts';
import { nothingSkipped, replay } from './replay.ts';
import { contextOf, segmentsOf } from './restore-input.ts';
import { readScript } from './script.ts';
import { type TargetSession, withTarget } from './target-session.ts';

const LoadTaskSchema = z.strictObject({ ordinal: z.string() });

/** Progress is told once for this many bytes of text. */
const PROGRESS_BYTES = 8 * 1024 * 1024;

export const loadItem = (ordinal: string): string => `load/${ordinal}`;

/** One task a data segment. A segment and its item in the marker are one transaction, so a killed task leaves nothing to double. */
export const loadStage = (address: PostgresAddress, services: Services): Stage => ({
  name: 'load',
  mode: 'independent',
  async *plan(context) {
    for (const { ordinal } of spread(segmentsOf(restoreInput(context).manifest, 'data'))) yield { task: { ordinal } };
  },
  async run(task, context): Promise<Part> {
    const { restore, manifest } = restoreInput(context);
    const segment = segmentAt(manifest, LoadTaskSchema.parse(task).ordinal);
    const rows = await withTarget(address, services, context.budget, async (session) => {
      await requireMarker(session, restore);
      return loadSegment(session, segment, context);
    });
    return { segments: [], digests: [], facts: { rows } };
  },
});

/**
 * Sessions that load into one table at a time wait for each other when it grows. So the segments of a table are spread over the whole
 * plan, in proportion, and neighbours are of different tables wherever there are some; what is large begins early.
 */
export function spread(segments: readonly Segment[]): Segment[] {
  const byTable = Map.groupBy(segments, (segment) =>
    contextOf(segment)
      .tables.map((table) => className(table.schema, table.name))
      .join(),
  );
  return [...byTable.values()]
    .flatMap((group) => {
      const total = group.reduce((sum, segment) => sum + segment.rawBytes, 0);
      let before = 0;
      return group.map((segment) => {
        const at = before / Math.max(total, 1);
        before += segment.rawBytes;
        return { segment, at };
      });
    })
    .sort((a, b) => a.at - b.at || b.segment.rawBytes - a.segment.rawBytes)
    .map(({ segment }) => segment);
}

/** Answers how many rows came in, 0 when an earlier attempt had them. Commits only once the segment's last byte was proven right. */
async function loadSegment(session: TargetSession, segment: Segment, context: TaskContext): Promise<number> {
  const doing = `loading segment ${segment.ordinal}`;
  await session.write('BEGIN', doing);
  if (!(await claim(session, loadItem(segment.ordinal)))) return 0;
  const { tables } = contextOf(segment);
  let copies = 0;
  let total = 0;
  for await (const item of readScript(context.read.read(segment))) {
    if (item.kind === 'sql') await replay(session, item.text, nothingSkipped());
    if (item.kind !== 'copy') continue;
    const table = tables[copies++];
    if (table === undefined) throw new LifeboatError('ManifestInvalid', `segment ${segment.ordinal} holds more tables than it says`);
    const name = className(table.schema, table.name);
    const progress = { told: 0, bytes: 0 };
    const rows = await copyIn(session, item.statement, item.rows, `${doing} into ${name}`, (bytes) => {
      progress.bytes += bytes;
      if (progress.bytes - progress.told < PROGRESS_BYTES) return;
      context.progress({ rows: 0, bytes: progress.bytes - progress.told, what: name });
      progress.told = progress.bytes;
    });
    if (rows !== table.rows) {
      throw new LifeboatError('CountMismatch', `segment ${segment.ordinal} brought ${rows} rows of ${name}, not ${table.rows}`, {
        hint: 'A trigger or a rule of the target keeps rows away, or the backup is damaged: verify it.',
      });
    }
    context.progress({ rows, bytes: progress.bytes - progress.told, what: name });
    total += rows;
  }
  if (copies !== tables.length)
    throw new LifeboatError('CountMismatch', `segment ${segment.ordinal} holds ${copies} tables, not ${tables.length}`);
  await session.write('COMMIT', doing);
  return total;
}
