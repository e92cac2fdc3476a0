import { z } from 'zod';
import type { Facts, Problem } from '../contract.ts';
import { MARKER, OF_USERS } from './catalog.ts';
import type { Connection } from './connect.ts';
import { placeOf } from './identity.ts';

/** Names listed in one problem; the rest is counted. */
const NAMES_MAX = 10;

/** What stands in the way of a backup, each found by one query that lists names. */
interface Check {
  readonly code: string;
  /** Rows have one column, `name`; none means no problem. */
  readonly sql: string;
  readonly message: (names: string) => string;
  readonly hint: string;
}

/** Not of an extension, or else a table that an extension marks as the user's configuration. */
const DUMPED = `(NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  OR EXISTS (SELECT FROM pg_extension e WHERE c.oid = ANY (e.extconfig)))`;

const relations = (kinds: string, condition: string): string =>
  `SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN (${kinds}) AND ${OF_USERS} AND ${DUMPED} AND ${condition} ORDER BY 1`;

const CHECKS: readonly Check[] = [
  {
    code: 'PermissionDenied',
    sql: relations("'r', 'p'", "NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))"),
    message: (names) => `no permission to read ${names}`,
    hint: 'GRANT pg_read_all_data (PostgreSQL 14 and later), or USAGE on the schemas and SELECT on all tables, to this user.',
  },
  {
    code: 'PermissionDenied',
    sql: relations("'S'", "NOT (has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT'))"),
    message: (names) => `no permission to read sequence ${names}`,
    hint: 'GRANT pg_read_all_data (PostgreSQL 14 and later), or SELECT on all sequences, to this user.',
  },
  {
    code: 'RowSecurity',
    sql: relations("'r', 'p'", 'row_security_active(c.oid)'),
    message: (names) => `row security hides rows of ${names} from this user`,
    hint: 'Back up as a user with BYPASSRLS, or as the owner of the tables.',
  },
  {
    code: 'LargeObjects',
    sql: `SELECT count(*)::text AS name FROM pg_largeobject_metadata HAVING count(*) > 0`,
    message: (count) => `the database has ${count} large objects, which are not backed up`,
    hint: 'Move them into bytea columns (lo_get), or remove orphans with vacuumlo; another tool must keep them otherwise.',
  },
  {
    code: 'EncodingUnsupported',
    sql: `SELECT current_setting('server_encoding') AS name WHERE current_setting('server_encoding') IN ('SQL_ASCII', 'MULE_INTERNAL')`,
    message: (encoding) => `the database has encoding ${encoding}, whose text has no meaning of its own`,
    hint: 'Move the data to a database with encoding UTF8.',
  },
  {
    code: 'StandbyConflict',
    sql: `SELECT 'this server' AS name WHERE pg_is_in_recovery() AND NOT current_setting('hot_standby_feedback')::bool
            AND current_setting('max_standby_streaming_delay') <> '-1'`,
    message: (name) => `${name} is a standby that ends long transactions when the primary cleans up`,
    hint: 'Set hot_standby_feedback = on (or max_standby_streaming_delay = -1) on the standby, or back up the primary.',
  },
  {
    code: 'SnapshotTooOld',
    sql: `SELECT current_setting('old_snapshot_threshold', true) AS name
           WHERE coalesce(current_setting('old_snapshot_threshold', true), '-1') <> '-1'`,
    message: (value) => `old_snapshot_threshold = ${value} ends reads of an old snapshot`,
    hint: 'Set old_snapshot_threshold = -1 and restart the server.',
  },
  {
    code: 'UnfinishedRestore',
    sql: `SELECT '${MARKER.schema}.${MARKER.name}' AS name WHERE to_regclass('${MARKER.schema}.${MARKER.name}') IS NOT NULL`,
    message: (name) => `the database holds a restore that did not end (${name})`,
    hint: 'Finish or repeat that restore first; what is there now is not the whole of anything.',
  },
];

const Basics = z.object({ database: z.string(), bytes: z.number() });
const Named = z.object({ name: z.string() });

/** Version, place, content, size and all problems. Changes nothing. */
export const inspectDatabase = async (connection: Connection): Promise<Facts> => {
  const [basics] = await connection.rows(
    Basics,
    'SELECT current_database()::text AS database, pg_database_size(current_database())::float8 AS bytes',
    [],
    'asking for the size of the database',
  );
  if (basics === undefined) throw new Error('a SELECT without FROM has one row');
  const problems: Problem[] = [];
  for (const check of CHECKS) {
    const names = await connection.rows(Named, check.sql, [], 'inspecting the database');
    if (names.length > 0)
      problems.push({ code: check.code, message: check.message(list(names.map(({ name }) => name))), hint: check.hint });
  }
  return {
    product: 'PostgreSQL',
    version: (connection.parameters.get('server_version') ?? '').split(' ', 1)[0] ?? '',
    place: await placeOf(connection),
    content: basics.database,
    bytes: basics.bytes,
    problems,
  };
};

const list = (names: readonly string[]): string => {
  const shown = names.slice(0, NAMES_MAX).join(', ');
  return names.length > NAMES_MAX ? `${shown} and ${names.length - NAMES_MAX} more` : shown;
};
