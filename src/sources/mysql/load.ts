import { z } from 'zod';
import { restoreInput, segmentAt } from '../../backup/restore-input.ts';
import type { Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Part, Services, Stage, TaskContext } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { readTables } from './catalog.ts';
import { type Connection, withConnection } from './connect.ts';
import { takesLoadData } from './load-data.ts';
import { loadRows } from './load-rows.ts';
import { claim, requireMarker } from './marker.ts';
import { contextOf, segmentsOf } from './restore-input.ts';
import { identifier } from './sql.ts';

const LoadTaskSchema = z.strictObject({ ordinal: z.string() });

export const loadItem = (ordinal: string): string => `load/${ordinal}`;

/** One task a segment of rows. A segment and its item in the marker are one transaction, so a killed task leaves nothing to double. */
export const loadStage = (address: MysqlAddress, services: Services): Stage => ({
  name: 'load',
  mode: 'independent',
  async *plan(context) {
    for (const { ordinal } of segmentsOf(restoreInput(context).manifest, 'rows')) yield { task: { ordinal } };
  },
  async run(task, context): Promise<Part> {
    const { restore, manifest } = restoreInput(context);
    const segment = segmentAt(manifest, LoadTaskSchema.parse(task).ordinal);
    const rows = await withConnection(
      address,
      services,
      async (connection) => {
        await requireMarker(connection, restore);
        return loadSegment(connection, segment, context);
      },
      { target: true, loads: true, signal: context.budget.signal },
    );
    return { segments: [], digests: [], facts: { rows } };
  },
});

/** Answers how many rows came in, 0 when an earlier attempt had them. Commits only once the segment's last byte was proven right. */
const loadSegment = async (connection: Connection, segment: Segment, context: TaskContext): Promise<number> => {
  const doing = `loading segment ${segment.ordinal}`;
  const { tables } = contextOf(segment);
  // Before the transaction begins: a catalogue is read without one.
  const found = await readTables(
    connection,
    tables.map(({ name }) => name),
  );
  const fast = await takesLoadData(connection);
  await connection.run('START TRANSACTION', doing);
  if (!(await claim(connection, loadItem(segment.ordinal)))) return 0;
  // What an earlier attempt put into these is still there, and theirs alone: no other segment has rows of them.
  for (const { name, transactional } of tables) if (!transactional) await connection.run(`DELETE FROM ${identifier(name)}`, doing);
  const expected = tables.reduce((sum, table) => sum + table.rows, 0);
  const rows = await loadRows({ connection, tables: found, fast, doing, progress: context.progress }, context.read.read(segment));
  if (rows !== expected)
    throw new LifeboatError('CountMismatch', `segment ${segment.ordinal} brought ${rows} rows, not ${expected}`, {
      hint: 'The backup is damaged, or something else writes to the target: verify the backup.',
    });
  await connection.run('COMMIT', doing);
  return rows;
};
