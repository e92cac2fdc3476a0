import { z } from 'zod';
import { requireOwn, type Unfinished } from '../../backup/target-database.ts';
import { LifeboatError } from '../../errors.ts';
import { MARKER } from './catalog.ts';
import type { Connection } from './connect.ts';
import { sqlStateOf } from './errors.ts';
import { literal, qualified } from './sql.ts';
import type { TargetSession } from './target-session.ts';

/**
 * A table in the target while it is being restored: one row names the restore, one more stands for each thing that is done and was
 * committed together with it. So a restore that was killed goes on where it was, and nothing is done twice.
 */
export type Marker = Unfinished;

const TABLE = qualified(MARKER.schema, MARKER.name);
const UNIQUE_VIOLATION = '23505';
/** What is done carries this as a comment, so that pg_stat_activity says whether it still runs; the first 1024 bytes are kept. */
const TAG = 'lifeboat';

const Row = z.object({ restore: z.string(), since: z.string() });
const Item = z.object({ item: z.string() });
const Found = z.object({ found: z.boolean() });

export const createMarkerSql = (restore: string): string =>
  `CREATE TABLE ${TABLE} (item text PRIMARY KEY, detail text, at timestamptz NOT NULL DEFAULT clock_timestamp());
   COMMENT ON TABLE ${TABLE} IS 'A restore by Lifeboat has not ended: this database is not complete.';
   INSERT INTO ${TABLE} (item, detail) VALUES ('restore', ${literal(restore)});`;

export const DROP_MARKER_SQL = `DROP TABLE IF EXISTS ${TABLE}`;

/** The restore that began here and did not end. Fails with TargetUnusable when the table is not one of ours. */
export async function readMarker(connection: Connection): Promise<Marker | undefined> {
  const [table] = await connection.rows(Found, `SELECT to_regclass($1) IS NOT NULL AS found`, [TABLE], 'looking for the marker');
  if (table?.found !== true) return undefined;
  try {
    const rows = await connection.rows(Row, `SELECT detail AS restore, at::text AS since FROM ${TABLE} WHERE item = 'restore'`);
    if (rows[0] !== undefined) return rows[0];
  } catch (cause) {
    if (sqlStateOf(cause) !== '42703') throw cause;
  }
  throw new LifeboatError('TargetUnusable', `table ${TABLE} is there and is no marker of a restore`, {
    hint: 'Drop or rename it, or restore into another database.',
  });
}

/** Fails with TargetUnusable unless the marker is that of `restore`. */
export const requireMarker = async (connection: Connection, restore: string): Promise<void> =>
  requireOwn(connection.address.database, await readMarker(connection), restore);

/** Items below `prefix` that are done, without it. */
export async function doneItems(session: TargetSession, prefix: string): Promise<ReadonlySet<string>> {
  const rows = await session.rows(Item, `SELECT substr(item, length($1) + 1) AS item FROM ${TABLE} WHERE starts_with(item, $1)`, [prefix]);
  return new Set(rows.map((row) => row.item));
}

/**
 * Claims `item` for the open transaction: waits for another one that holds it. False when that one did it; the transaction is then
 * rolled back.
 */
export async function claim(session: TargetSession, item: string): Promise<boolean> {
  try {
    await session.write(`INSERT INTO ${TABLE} (item) VALUES (${literal(item)})`, 'marking what is done');
    return true;
  } catch (error) {
    if (!isClaimed(error)) throw error;
    await session.write('ROLLBACK', 'marking what is done');
    return false;
  }
}

/** One query string is one transaction, and the server ends it even when the client is gone by then. */
export const onceSql = (item: string, sql: string): string =>
  `/* ${TAG} ${tagOf(item)} */ INSERT INTO ${TABLE} (item) VALUES (${literal(item)}); ${sql}`;

export const writeDetailSql = (item: string, detail: string): string =>
  `INSERT INTO ${TABLE} (item, detail) VALUES (${literal(item)}, ${literal(detail)})`;

/** What was noted beside an item; undefined without item or marker. */
export async function readDetail(session: TargetSession, item: string): Promise<string | undefined> {
  if ((await readMarker(session)) === undefined) return undefined;
  const [row] = await session.rows(z.object({ detail: z.string().nullable() }), `SELECT detail FROM ${TABLE} WHERE item = $1`, [item]);
  return row?.detail ?? undefined;
}

/** Whether an earlier invocation's statement for `item` still runs. */
export async function isRunning(session: TargetSession, item: string): Promise<boolean> {
  const [row] = await session.rows(
    Found,
    `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND state = 'active' AND starts_with(query, $1)) AS found`,
    [`/* ${TAG} ${tagOf(item)} */`],
  );
  return row?.found === true;
}

export const isClaimed = (error: unknown): boolean => {
  const cause = error instanceof LifeboatError ? error.cause : error;
  const raised = z.object({ code: z.literal(UNIQUE_VIOLATION), table: z.literal(MARKER.name) }).safeParse(cause);
  return raised.success;
};

const tagOf = (item: string): string => item.replaceAll(/[^\w./-]/g, '_');
