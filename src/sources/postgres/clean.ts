import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import { MARKER } from './catalog.ts';
import { createMarkerSql } from './marker.ts';
import { identifier, qualified } from './sql.ts';
import type { TargetSession } from './target-session.ts';

/** Dropped in one transaction: each takes some locks, and a server has 6400 at least by default. */
const TABLES_A_BATCH = 200;
const LARGE_OBJECTS_A_BATCH = 1000;

const Named = z.object({ schema: z.string(), name: z.string() });
const Single = z.object({ name: z.string() });
const Count = z.object({ count: z.number() });

const TABLES = `
SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT (n.nspname = '${MARKER.schema}' AND c.relname = '${MARKER.name}')
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 LIMIT ${TABLES_A_BATCH}`;

const SCHEMAS = `SELECT nspname AS name FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'`;
const OUTSIDE: readonly (readonly [kind: string, query: string])[] = [
  ['EVENT TRIGGER', 'SELECT evtname AS name FROM pg_event_trigger'],
  ['PUBLICATION', 'SELECT pubname AS name FROM pg_publication'],
  ['EXTENSION', `SELECT extname AS name FROM pg_extension WHERE extname <> 'plpgsql'`],
  ['FOREIGN DATA WRAPPER', 'SELECT fdwname AS name FROM pg_foreign_data_wrapper'],
];
const LARGE_OBJECTS = `
SELECT count(lo_unlink(oid))::float8 AS count FROM (SELECT oid FROM pg_largeobject_metadata LIMIT ${LARGE_OBJECTS_A_BATCH}) l`;
/** What initdb makes of the schema: its owner has a name of its own since 15, and nobody else may create in it. */
const CREATE_PUBLIC = `CREATE SCHEMA public; COMMENT ON SCHEMA public IS 'standard public schema';`;
const PUBLIC_SINCE_15 = 'ALTER SCHEMA public OWNER TO pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC;';
const PUBLIC_BEFORE_15 = 'GRANT ALL ON SCHEMA public TO PUBLIC;';

/** Removes all that users made in the database, and leaves it marked. Killed half-way, it is to be run again. */
export async function cleanDatabase(session: TargetSession, restore: string): Promise<void> {
  await refuseSubscriptions(session);
  for (;;) {
    const tables = await session.rows(Named, TABLES);
    if (tables.length === 0) break;
    await session.write(`DROP TABLE ${tables.map((table) => qualified(table.schema, table.name)).join(', ')} CASCADE`, 'dropping tables');
  }
  while ((await unlinkLargeObjects(session)) > 0);
  const drops: string[] = [];
  for (const [kind, query] of OUTSIDE) {
    for (const { name } of await session.rows(Single, query)) drops.push(`DROP ${kind} IF EXISTS ${identifier(name)} CASCADE;`);
  }
  for (const { name } of await session.rows(Single, SCHEMAS)) drops.push(`DROP SCHEMA IF EXISTS ${identifier(name)} CASCADE;`);
  // The marker goes with its schema and is back in the same transaction.
  const grants = session.version >= 150_000 ? PUBLIC_SINCE_15 : PUBLIC_BEFORE_15;
  await session.write(`${drops.join(' ')} ${CREATE_PUBLIC} ${grants} ${createMarkerSql(restore)}`, 'cleaning the database');
}

async function unlinkLargeObjects(session: TargetSession): Promise<number> {
  const [row] = await session.rows(Count, LARGE_OBJECTS);
  return row?.count ?? 0;
}

async function refuseSubscriptions(session: TargetSession): Promise<void> {
  const [subscription] = await session.rows(
    Single,
    'SELECT quote_ident(subname) AS name FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE d.datname = current_database()',
  );
  if (subscription === undefined) return;
  throw new LifeboatError('TargetUnusable', `the target has subscription ${subscription.name}`, {
    hint: 'Drop it first: only you can say what becomes of its slot on the other server.',
  });
}
