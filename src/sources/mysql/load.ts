import { z } from 'zod';
import type { Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Part, Services, Stage, TaskContext } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { type Connection, withConnection } from './connect.ts';
import { claim, requireMarker } from './marker.ts';
import { contextOf, restoreInput, segmentAt, segmentsOf } from './restore-input.ts';
import { readStatements } from './script.ts';
import { isTransaction, kindOf, naming } from './statement.ts';

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
      { target: true, signal: context.budget.signal },
    );
    return { segments: [], digests: [], facts: { rows } };
  },
});

/** Answers how many rows came in, 0 when an earlier attempt had them. Commits only once the segment's last byte was proven right. */
const loadSegment = async (connection: Connection, segment: Segment, context: TaskContext): Promise<number> => {
  const doing = `loading segment ${segment.ordinal}`;
  await connection.run('START TRANSACTION', doing);
  if (!(await claim(connection, loadItem(segment.ordinal)))) return 0;
  const { tables } = contextOf(segment);
  const expected = tables.reduce((sum, table) => sum + table.rows, 0);
  let rows = 0;
  for await (const sql of readStatements(context.read.read(segment))) {
    if (isTransaction(sql)) continue;
    const changed = await connection.run(sql, `${doing}: ${naming(sql)}`);
    if (kindOf(sql) !== 'INSERT') continue;
    rows += changed;
    context.progress({ rows: changed, bytes: sql.length, what: tables.length === 1 ? (tables[0]?.name ?? '') : `${tables.length} tables` });
  }
  if (rows !== expected)
    throw new LifeboatError('CountMismatch', `segment ${segment.ordinal} brought ${rows} rows, not ${expected}`, {
      hint: 'The backup is damaged, or something else writes to the target: verify the backup.',
    });
  await connection.run('COMMIT', doing);
  return rows;
};
