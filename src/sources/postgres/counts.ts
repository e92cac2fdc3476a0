import { z } from 'zod';
import type { Assertion } from '../../backup/types.ts';
import { MARKER, OF_USERS } from './catalog.ts';
import type { Connection } from './connect.ts';

const Count = z.object({ name: z.string(), value: z.string() });

const own = (catalogue: string, oid: string): string =>
  `NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalogue}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`;
/** Of a relation: a user's, no extension's, not the marker. */
const RELATION = `${OF_USERS} AND ${own('pg_class', 'c.oid')} AND NOT (n.nspname = '${MARKER.schema}' AND c.relname = '${MARKER.name}')`;
const FROM_RELATION = 'FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace';

/** NOT NULL constraints have rows of their own since 18 only; an index that is not valid is left out by pg_dump. */
const COUNTS = `
SELECT 'postgres.' || name AS name, value::text FROM (VALUES
  ('tables', (SELECT count(*) ${FROM_RELATION} WHERE c.relkind IN ('r', 'p') AND ${RELATION})),
  ('views', (SELECT count(*) ${FROM_RELATION} WHERE c.relkind IN ('v', 'm') AND ${RELATION})),
  ('sequences', (SELECT count(*) ${FROM_RELATION} WHERE c.relkind = 'S' AND ${RELATION})),
  ('indexes', (SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE i.indisvalid AND c.relkind IN ('r', 'p', 'm') AND ${RELATION})),
  ('constraints', (SELECT count(*) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE k.contype IN ('p', 'u', 'x', 'f', 'c') AND ${RELATION})),
  ('constraints-not-validated', (SELECT count(*) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE k.contype IN ('f', 'c') AND NOT k.convalidated AND ${RELATION})),
  ('triggers', (SELECT count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE NOT t.tgisinternal AND ${RELATION})),
  ('policies', (SELECT count(*) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${RELATION})),
  ('functions', (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND ${own('pg_proc', 'p.oid')}))
) AS counted (name, value)`;

/** Objects by kind, equal after a restore: `postgres.indexes` is `212`. */
export const countAssertions = (connection: Connection): Promise<Assertion[]> => connection.rows(Count, COUNTS, [], 'counting objects');
