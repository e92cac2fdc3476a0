import { z } from 'zod';
import { loadDigest } from '../../backup/digest.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, Services, TaskContext } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { collectAssertions } from './assertions.ts';
import { OF_USERS, readClasses, readTables, type TableClass } from './catalog.ts';
import { type Connection, withConnection } from './connect.ts';
import { type DumpFacts, ServerFactsSchema, type TableFacts } from './dump-facts.ts';
import { joinInstant } from './instant.ts';
import { openDigests } from './table-rows.ts';

/** Of one receipt, in bytes of JSON; it may have 64 KiB. */
const PART_MAX_BYTES = 40 * 1024;

/** Columns listed in one piece: a table may have 1600, with long names. */
const COLUMNS_MAX = 200;

const CursorSchema = z.int().nonnegative();

/** What the restore needs to know beside the rows, at the instant; and the classes that have no relation with rows at all. */
export const dumpFacts = async (
  address: PostgresAddress,
  services: Services,
  context: TaskContext,
  resume: Cursor | undefined,
): Promise<Part> =>
  withConnection(address, services, async (connection) => {
    const instant = await joinInstant(connection, await context.instants());
    const tables = await readTables(connection);
    const classes = await readClasses(connection, tables);
    const foreign = await foreignRoots(connection);
    const pieces = classes.flatMap((table) => piecesOf(table, foreign));
    const from = resume === undefined ? 0 : CursorSchema.parse(parseJson(resume));
    const page = takePage(pieces, from);
    const facts: DumpFacts = { tables: page, ...(from > 0 ? {} : { instant, ...(await databaseFacts(connection, services)) }) };
    const known = new Set(tables.map((table) => table.class));
    const digests = from > 0 ? [] : await emptyDigests(classes.filter((table) => !known.has(table.class)));
    const next = from + page.length;
    const part = { segments: [], digests, facts: z.json().parse(facts) };
    return next >= pieces.length ? part : { ...part, next: { cursor: JSON.stringify(next) as Cursor } };
  });

const databaseFacts = async (
  connection: Connection,
  services: Services,
): Promise<Pick<DumpFacts, 'server' | 'assertions' | 'notIncluded'>> => {
  const [server] = await connection.rows(ServerFactsSchema, SERVER, [], 'reading the catalogue');
  const [missing] = await connection.rows(
    z.object({ counts: z.record(z.string(), z.number()) }),
    NOT_INCLUDED,
    [],
    'reading the catalogue',
  );
  const notIncluded = Object.entries(missing?.counts ?? {}).filter(([, count]) => count > 0);
  return {
    server,
    assertions: await collectAssertions(connection, services),
    notIncluded: Object.fromEntries(notIncluded.map(([what, count]) => [what, String(count)])),
  };
};

const emptyDigests = async (classes: readonly TableClass[]) => {
  const factory = await loadDigest();
  return classes.flatMap((table) => {
    const { written, generated } = openDigests(factory, table);
    return [written.end(), ...(generated === undefined ? [] : [generated.end()])];
  });
};

const piecesOf = (table: TableClass, foreign: ReadonlySet<string>): TableFacts[] => {
  const { class: name, schema, partitioned, condition, columns, generated } = table;
  const head = { class: name, schema, name: table.name, partitioned, condition, foreign: foreign.has(`${schema}\0${table.name}`) };
  const count = Math.max(1, Math.ceil(columns.length / COLUMNS_MAX), Math.ceil(generated.length / COLUMNS_MAX));
  return Array.from({ length: count }, (_, index) => {
    const [from, to] = [index * COLUMNS_MAX, (index + 1) * COLUMNS_MAX];
    return { ...head, columns: columns.slice(from, to), generated: generated.slice(from, to) };
  });
};

const takePage = (pieces: readonly TableFacts[], from: number): TableFacts[] => {
  const page: TableFacts[] = [];
  let bytes = 0;
  for (const piece of pieces.slice(from)) {
    bytes += Buffer.byteLength(JSON.stringify(piece));
    if (page.length > 0 && bytes > PART_MAX_BYTES) break;
    page.push(piece);
  }
  return page;
};

/** Partitioned tables with a part on another server: their rows cannot be counted here. */
const foreignRoots = async (connection: Connection): Promise<ReadonlySet<string>> => {
  const rows = await connection.rows(z.object({ schema: z.string(), name: z.string() }), FOREIGN_ROOTS, [], 'reading the catalogue');
  return new Set(rows.map(({ schema, name }) => `${schema}\0${name}`));
};

const FOREIGN_ROOTS = `
SELECT DISTINCT n.nspname AS schema, r.relname AS name FROM pg_class c JOIN pg_class r ON r.oid = pg_partition_root(c.oid)
  JOIN pg_namespace n ON n.oid = r.relnamespace WHERE c.relkind = 'f' AND c.relispartition`;

const SERVER = `
WITH used AS (
  SELECT d.refobjid AS oid FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass
     AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
  UNION SELECT c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${OF_USERS}
  UNION SELECT n.nspowner FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  UNION SELECT p.proowner FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
), role AS (
  SELECT r.oid, r.rolname, r.rolcanlogin FROM used JOIN pg_roles r ON r.oid = used.oid WHERE r.rolname !~ '^pg_'
)
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS "versionNumber", d.datname AS database,
       pg_encoding_to_char(d.encoding) AS encoding, d.datcollate AS collate, d.datctype AS ctype,
       coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS "localeProvider",
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale,
       coalesce((SELECT json_agg(json_build_object('name', rolname, 'login', rolcanlogin) ORDER BY rolname) FROM role), '[]') AS roles,
       coalesce((SELECT json_agg(json_build_object('role', g.rolname, 'member', m.rolname) ORDER BY g.rolname, m.rolname)
                   FROM pg_auth_members a JOIN role g ON g.oid = a.roleid JOIN role m ON m.oid = a.member), '[]') AS memberships,
       coalesce((SELECT json_agg(json_build_object('name', extname, 'version', extversion) ORDER BY extname)
                   FROM pg_extension WHERE extname <> 'plpgsql'), '[]') AS extensions
  FROM pg_database d WHERE d.datname = current_database()`;

const NOT_INCLUDED = `
SELECT json_build_object(
  'rows of foreign tables (tables)', (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'f' AND ${OF_USERS}),
  'rows of unlogged tables on a standby (tables)', (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND pg_is_in_recovery() AND ${OF_USERS}),
  'subscriptions', (SELECT count(s.subdbid) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = current_database()),
  'settings of the database (ALTER DATABASE … SET)', (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
     WHERE d.datname = current_database())
) AS counts`;
