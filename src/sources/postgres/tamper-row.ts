import { z } from 'zod';
import type { TableClass } from './catalog.ts';
import { sqlStateOf } from './errors.ts';
import { columnList, identifier, literal, qualified } from './sql.ts';
import { type Column, otherValue } from './tamper-value.ts';
import type { TargetSession } from './target-session.ts';

/** What became of one row. */
export interface Done {
  readonly ctid: string;
  readonly column: string;
  /** Whether the digests of the written and of the generated columns must differ now. */
  readonly written: boolean;
  readonly generated: boolean;
}

/** Rows are chosen among the first ones of a table; that far a sequential scan goes for one. */
const ROWS_MAX = 1000;

const Row = z.object({ leaf: z.string(), ctid: z.string() });
const Count = z.object({ count: z.number() });
const Texts = z.object({ written: z.string().nullable(), generated: z.string().nullable() });
const ColumnRow = z.object({ name: z.string(), type: z.string() });

/** Gives one column of one row another value; undefined when no column takes one. */
export async function changeRow(session: TargetSession, table: TableClass, seed: number): Promise<Done | undefined> {
  const row = await chooseRow(session, table, seed, undefined);
  if (row === undefined) return undefined;
  const columns = await changeable(session, table);
  for (let i = 0; i < columns.length; i++) {
    const column = columns[(i + seed) % columns.length];
    const done = column === undefined ? undefined : await attempt(session, () => change(session, table, row, column));
    if (done !== undefined) return done;
  }
  return undefined;
}

/** Deletes a row other than the one at `spared`. */
export async function deleteRow(
  session: TargetSession,
  table: TableClass,
  seed: number,
  spared: string | undefined,
): Promise<Done | undefined> {
  const row = await chooseRow(session, table, seed + 1, spared);
  if (row === undefined) return undefined;
  return attempt(session, async () => {
    const deleted = await session.query(`DELETE FROM ONLY ${row.leaf} WHERE ctid = ${literal(row.ctid)}::tid RETURNING 1`);
    return deleted.length === 1 ? { ctid: row.ctid, column: '', written: true, generated: table.generated.length > 0 } : undefined;
  });
}

/** The place of a row: its partition and its ctid, which every row has, with or without a key. */
async function chooseRow(
  session: TargetSession,
  table: TableClass,
  seed: number,
  spared: string | undefined,
): Promise<z.output<typeof Row> | undefined> {
  const from = `${table.partitioned ? '' : 'ONLY '}${qualified(table.schema, table.name)}`;
  const others = spared === undefined ? '' : ` WHERE ctid <> ${literal(spared)}::tid`;
  const [counted] = await session.rows(Count, `SELECT count(*)::float8 AS count FROM (SELECT FROM ${from}${others} LIMIT ${ROWS_MAX}) t`);
  if (counted === undefined || counted.count === 0) return undefined;
  const [row] = await session.rows(
    Row,
    `SELECT format('%I.%I', n.nspname, c.relname) AS leaf, t.ctid::text AS ctid
       FROM (SELECT tableoid, ctid FROM ${from}${others} OFFSET ${seed % counted.count} LIMIT 1) t
       JOIN pg_class c ON c.oid = t.tableoid JOIN pg_namespace n ON n.oid = c.relnamespace`,
  );
  return row;
}

/** Written columns that decide neither the partition of the row nor come from an identity. */
async function changeable(session: TargetSession, table: TableClass): Promise<Column[]> {
  const path = literal(qualified(table.schema, table.name));
  const columns = await session.rows(
    ColumnRow,
    `SELECT a.attname AS name, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL) AS type FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
      WHERE a.attrelid = ${path}::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
        AND NOT EXISTS (
          SELECT FROM pg_partition_tree(${path}::regclass) leaf JOIN pg_partitioned_table p ON p.partrelid = leaf.relid
            JOIN pg_attribute k ON k.attrelid = leaf.relid AND k.attname = a.attname
           WHERE k.attnum = ANY (p.partattrs) OR p.partexprs IS NOT NULL)
      ORDER BY a.attnum`,
  );
  return columns.filter((column) => otherValue(column) !== undefined);
}

async function change(session: TargetSession, table: TableClass, row: z.output<typeof Row>, column: Column): Promise<Done | undefined> {
  const texts = `${rowText(table.columns)} AS written, ${rowText(table.generated)} AS generated`;
  const [before] = await session.rows(Texts, `SELECT ${texts} FROM ONLY ${row.leaf} WHERE ctid = ${literal(row.ctid)}::tid`);
  const [after] = await session.rows(
    Texts.extend({ ctid: z.string() }),
    `UPDATE ONLY ${row.leaf} SET ${identifier(column.name)} = ${otherValue(column)} WHERE ctid = ${literal(row.ctid)}::tid RETURNING ${texts}, ctid::text AS ctid`,
  );
  // Infinity plus one is itself; another column will do.
  if (before === undefined || after === undefined || before.written === after.written) return undefined;
  return { ctid: after.ctid, column: column.name, written: true, generated: before.generated !== after.generated };
}

/** All values as the text that COPY gives them, NULL apart from empty. */
const rowText = (columns: readonly string[]): string => (columns.length === 0 ? 'NULL::text' : `ROW(${columnList(columns)})::text`);

/** What a constraint or a privilege forbids is undone, and something else is tried. */
async function attempt(session: TargetSession, work: () => Promise<Done | undefined>): Promise<Done | undefined> {
  await session.write('SAVEPOINT attempt', 'tampering');
  try {
    const done = await work();
    await session.write(done === undefined ? 'ROLLBACK TO SAVEPOINT attempt' : 'RELEASE SAVEPOINT attempt', 'tampering');
    return done;
  } catch (error) {
    // Asking for the state of the transaction would be too early: the error comes in before it.
    if (sqlStateOf(error) === undefined) throw error;
    await session.write('ROLLBACK TO SAVEPOINT attempt', 'tampering');
    return undefined;
  }
}
