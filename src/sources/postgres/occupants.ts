import { z } from 'zod';
import { MARKER } from './catalog.ts';
import type { Connection } from './connect.ts';

const Occupant = z.object({ kind: z.string(), count: z.number(), example: z.string() });

const notOfExtension = (catalogue: string, oid: string): string =>
  `NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalogue}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`;
const OF_USERS = `n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`;

/** What stands in the way of a restore, by kind. Extensions and what belongs to them do not; the marker does not. */
const OCCUPANTS = `
SELECT kind, count(*)::float8 AS count, min(name) AS example FROM (
  SELECT CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END AS kind,
         format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND c.relpersistence <> 't' AND ${OF_USERS} AND ${notOfExtension('pg_class', 'c.oid')}
     AND NOT (n.nspname = '${MARKER.schema}' AND c.relname = '${MARKER.name}')
  UNION ALL
  SELECT 'function', format('%I.%I', n.nspname, p.proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
   WHERE ${OF_USERS} AND ${notOfExtension('pg_proc', 'p.oid')}
  UNION ALL
  SELECT 'type', format('%I.%I', n.nspname, t.typname) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
   WHERE t.typtype IN ('d', 'e', 'r') AND ${OF_USERS} AND ${notOfExtension('pg_type', 't.oid')}
  UNION ALL
  SELECT 'schema', quote_ident(n.nspname) FROM pg_namespace n WHERE ${OF_USERS} AND n.nspname <> 'public' AND ${notOfExtension('pg_namespace', 'n.oid')}
  UNION ALL
  SELECT 'publication', quote_ident(pubname) FROM pg_publication
  UNION ALL
  SELECT 'event trigger', quote_ident(evtname) FROM pg_event_trigger e WHERE ${notOfExtension('pg_event_trigger', 'e.oid')}
  UNION ALL
  SELECT 'foreign data wrapper', quote_ident(fdwname) FROM pg_foreign_data_wrapper f WHERE ${notOfExtension('pg_foreign_data_wrapper', 'f.oid')}
  UNION ALL
  SELECT 'large object', oid::text FROM pg_largeobject_metadata
) AS found GROUP BY kind ORDER BY count(*) DESC, kind`;

/** `14 tables (public.a, …), 2 functions (…)`; empty when a restore may go here. */
export async function occupants(connection: Connection): Promise<string> {
  const found = await connection.rows(Occupant, OCCUPANTS, [], 'looking at what is there');
  return found
    .map(({ kind, count, example }) => `${count} ${kind}${count === 1 ? '' : 's'} (${example}${count === 1 ? '' : ', …'})`)
    .join(', ');
}
