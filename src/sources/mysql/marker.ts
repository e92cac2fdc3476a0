import { z } from 'zod';
import { requireOwn, type Unfinished } from '../../backup/target-database.ts';
import { LifeboatError } from '../../errors.ts';
import { MARKER } from './catalog.ts';
import type { Connection } from './connect.ts';
import { markerTableSql } from './definitions.ts';
import { errnoOf } from './errors.ts';
import { identifier, literal } from './sql.ts';

/**
 * A table in the target while it is being restored: one row names the restore, one more stands for each thing that is done; those of
 * rows were committed together with them. So a restore that was killed goes on where it was, and no row is loaded twice.
 */
export interface Marker extends Unfinished {
  /** A load by hand came to its end. */
  readonly complete: boolean;
}

const TABLE = identifier(MARKER);
const DUPLICATE = 1062;
const NO_SUCH_TABLE = 1146;
const NO_SUCH_COLUMN = 1054;

const Row = z.object({ item: z.string(), detail: z.string().nullable(), since: z.string() });

export const createMarker = async (connection: Connection, restore: string): Promise<void> => {
  await connection.run(markerTableSql(), 'marking the target');
  await insertItem(connection, 'restore', restore);
};

export const dropMarker = (connection: Connection): Promise<number> =>
  connection.run(`DROP TABLE IF EXISTS ${TABLE}`, 'dropping the marker');

/** The restore that began here and did not end. Fails with TargetUnusable when the table is not one of ours. */
export const readMarker = async (connection: Connection): Promise<Marker | undefined> => {
  let rows: z.output<typeof Row>[];
  try {
    rows = await connection.rows(
      Row,
      `SELECT item, detail, at AS since FROM ${TABLE} WHERE item IN ('restore', 'complete')`,
      'looking for the marker',
    );
  } catch (error) {
    if (errnoOf(error) === NO_SUCH_TABLE) return undefined;
    if (errnoOf(error) !== NO_SUCH_COLUMN) throw error;
    throw new LifeboatError('TargetUnusable', `table ${MARKER} is there and is no marker of a restore`, {
      hint: 'Drop or rename it, or restore into another database.',
    });
  }
  const named = rows.find((row) => row.item === 'restore');
  return {
    restore: named?.detail ?? 'a load by hand',
    since: named?.since ?? 'some time ago',
    complete: rows.some((row) => row.item === 'complete'),
  };
};

/** Fails with TargetUnusable unless the marker is that of `restore`. */
export const requireMarker = async (connection: Connection, restore: string): Promise<void> =>
  requireOwn(connection.address.database, await readMarker(connection), restore);

/**
 * Claims `item` for the open transaction: waits for another one that holds it. False when that one did it; the transaction is then
 * rolled back.
 */
export const claim = async (connection: Connection, item: string): Promise<boolean> => {
  try {
    await insertItem(connection, item);
    return true;
  } catch (error) {
    if (errnoOf(error) !== DUPLICATE) throw error;
    await connection.run('ROLLBACK', 'marking what is done');
    return false;
  }
};

export const insertItem = async (connection: Connection, item: string, detail?: string): Promise<void> => {
  await connection.run(
    `INSERT INTO ${TABLE} (item, detail) VALUES (${literal(item)}, ${detail === undefined ? 'NULL' : literal(detail)})`,
    'marking what is done',
  );
};

const Item = z.object({ item: z.string() });
const Detail = z.object({ detail: z.string().nullable() });

/** Items below `prefix` that are done, without it. */
export const doneItems = async (connection: Connection, prefix: string): Promise<ReadonlySet<string>> => {
  const rows = await connection.rows(
    Item,
    `SELECT item FROM ${TABLE} WHERE item LIKE ${literal(`${prefix}%`)}`,
    'looking for what is done',
  );
  return new Set(rows.map((row) => row.item.slice(prefix.length)));
};

/** What was noted beside an item; undefined without item or marker. */
export const readDetail = async (connection: Connection, item: string): Promise<string | undefined> => {
  if ((await readMarker(connection)) === undefined) return undefined;
  const [row] = await connection.rows(Detail, `SELECT detail FROM ${TABLE} WHERE item = ${literal(item)}`, 'looking for what is done');
  return row?.detail ?? undefined;
};
