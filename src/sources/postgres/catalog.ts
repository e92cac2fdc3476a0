import { z } from 'zod';
import type { Connection } from './connect.ts';

/** One relation with rows of its own: an ordinary table, or a leaf of a partitioned one. */
export interface Table {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** The object class that its rows count under: its own, or that of the root of its partition tree. */
  readonly class: string;
  readonly kind: 'table' | 'partition' | 'configuration';
  /** Written columns, in attnum order of the root. */
  readonly columns: readonly string[];
  /** Generated columns (stored and virtual), in attnum order of the root. */
  readonly generated: readonly string[];
  /** Where the key of the row is found in its text, when a column of its own is one: in front, or behind. */
  readonly key: Key;
  /** The table that a COPY loads its rows into: itself, or the root where hashing could send a row elsewhere. */
  readonly into: { readonly schema: string; readonly name: string };
  /** The root of the partition tree, or the table itself. */
  readonly root: { readonly schema: string; readonly name: string; readonly partitioned: boolean };
  /** Of a configuration table of an extension: which rows are the user's, as `WHERE …`, or empty. */
  readonly condition: string;
  readonly pages: number;
  /** Heap and TOAST, in bytes. */
  readonly bytes: number;
  /** As of the snapshot; differs from the current one after TRUNCATE or a rewrite. */
  readonly filenode: number;
}

/** A row's bucket goes by its first or last written column if that is unique, else by the whole row. */
export type Key = 'first' | 'last' | 'row';

/** Relations of users: not the system's, not temporary, not of another session. */
export const OF_USERS = `n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't'`;

/** The marker of a restore that did not end lives beside the user's tables and is none of them. */
export const MARKER = { schema: 'public', name: '_lifeboat' } as const;

const TABLES = `
WITH RECURSIVE up AS (
  SELECT c.oid AS leaf, c.oid AS relation, false AS hashed FROM pg_class c WHERE c.relkind = 'r' AND c.relispartition
  UNION ALL
  SELECT up.leaf, i.inhparent, up.hashed OR p.partstrat = 'h'
    FROM up JOIN pg_inherits i ON i.inhrelid = up.relation JOIN pg_partitioned_table p ON p.partrelid = i.inhparent
), root AS (
  SELECT up.leaf, up.relation, up.hashed FROM up JOIN pg_class c ON c.oid = up.relation WHERE NOT c.relispartition
), configuration AS (
  SELECT member AS oid, coalesce(e.extcondition[position], '') AS condition
    FROM pg_extension e, unnest(e.extconfig) WITH ORDINALITY AS m(member, position)
), relation AS (
  SELECT c.oid, n.nspname, c.relname, c.relfilenode, coalesce(root.relation, c.oid) AS root_oid,
         root.leaf IS NOT NULL AS leaf, coalesce(root.hashed, false) AS hashed, configuration.condition
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN root ON root.leaf = c.oid LEFT JOIN configuration ON configuration.oid = c.oid
   WHERE c.relkind = 'r' AND ${OF_USERS} AND NOT (n.nspname = '${MARKER.schema}' AND c.relname = '${MARKER.name}')
     AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())
     AND (configuration.oid IS NOT NULL OR NOT EXISTS (
       SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
)
SELECT r.oid, r.nspname AS schema, r.relname AS name, r.relfilenode AS filenode,
       r.leaf, r.hashed, r.condition, rn.nspname AS root_schema, rc.relname AS root_name, rc.relkind = 'p' AS partitioned,
       coalesce(a.columns, '[]') AS columns, coalesce(a.generated, '[]') AS generated,
       coalesce(u.columns, '[]') AS uniques,
       (coalesce(pg_relation_size(r.oid), 0) / current_setting('block_size')::int)::float8 AS pages,
       coalesce(pg_table_size(r.oid), 0)::float8 AS bytes
  FROM relation r JOIN pg_class rc ON rc.oid = r.root_oid JOIN pg_namespace rn ON rn.oid = rc.relnamespace
  LEFT JOIN LATERAL (
    SELECT json_agg(attname ORDER BY attnum) FILTER (WHERE attgenerated = '') AS columns,
           json_agg(attname ORDER BY attnum) FILTER (WHERE attgenerated <> '') AS generated
      FROM pg_attribute WHERE attrelid = r.root_oid AND attnum > 0 AND NOT attisdropped
  ) a ON true
  LEFT JOIN LATERAL (
    SELECT json_agg(k.attname) AS columns
      FROM pg_index i JOIN pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = i.indkey[0]
     WHERE i.indrelid = r.root_oid AND i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL
  ) u ON true
 WHERE $1::oid[] IS NULL OR r.oid = ANY ($1)
 ORDER BY r.nspname COLLATE "C", r.relname COLLATE "C"`;

const Row = z.object({
  oid: z.number(),
  schema: z.string(),
  name: z.string(),
  filenode: z.number(),
  leaf: z.boolean(),
  hashed: z.boolean(),
  condition: z.string().nullable(),
  root_schema: z.string(),
  root_name: z.string(),
  partitioned: z.boolean(),
  columns: z.array(z.string()),
  generated: z.array(z.string()),
  uniques: z.array(z.string()),
  pages: z.number(),
  bytes: z.number(),
});

/** The tables with rows, by name, as the transaction of this connection sees them; only `oids` when given. */
export const readTables = async (connection: Connection, oids?: readonly number[]): Promise<Table[]> => {
  const rows = await connection.rows(Row, TABLES, [oids ?? null], 'reading the catalogue');
  return rows.map((row) => {
    const root = { schema: row.root_schema, name: row.root_name, partitioned: row.partitioned };
    const own = { schema: row.schema, name: row.name };
    return {
      ...own,
      oid: row.oid,
      class: className(root.schema, root.name),
      kind: row.condition !== null ? 'configuration' : row.leaf ? 'partition' : 'table',
      columns: row.columns,
      generated: row.generated,
      key: keyOf(row.columns, row.uniques),
      into: row.hashed ? { schema: root.schema, name: root.name } : own,
      root,
      condition: row.condition ?? '',
      pages: row.pages,
      bytes: row.bytes,
      filenode: row.filenode,
    };
  });
};

/** Partitioned tables, and the unlogged tables of a standby, where nobody can read them: restored, they are there and empty. */
const WITHOUT_ROWS = `
SELECT n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS partitioned,
       coalesce((SELECT json_agg(attname ORDER BY attnum) FILTER (WHERE attgenerated = '') FROM pg_attribute
                  WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), '[]') AS columns,
       coalesce((SELECT json_agg(attname ORDER BY attnum) FILTER (WHERE attgenerated <> '') FROM pg_attribute
                  WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), '[]') AS generated
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE (c.relkind = 'p' OR (c.relkind = 'r' AND c.relpersistence = 'u' AND pg_is_in_recovery())) AND NOT c.relispartition AND ${OF_USERS}
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`;

/** An object class of rows: what its digest hashes first. */
export interface TableClass {
  readonly class: string;
  readonly schema: string;
  readonly name: string;
  readonly partitioned: boolean;
  readonly columns: readonly string[];
  readonly generated: readonly string[];
  readonly condition: string;
}

const RowlessSchema = Row.pick({ schema: true, name: true, partitioned: true, columns: true, generated: true });

/** Every class that `tables` belong to, and those that have no relation with rows, which are empty. */
export const readClasses = async (connection: Connection, tables: readonly Table[]): Promise<TableClass[]> => {
  const classes = new Map<string, TableClass>();
  for (const { class: name, root, columns, generated, condition } of tables) {
    classes.set(name, { class: name, ...root, columns, generated, condition });
  }
  for (const row of await connection.rows(RowlessSchema, WITHOUT_ROWS)) {
    const name = className(row.schema, row.name);
    if (!classes.has(name)) classes.set(name, { class: name, ...row, condition: '' });
  }
  return [...classes.values()].sort((a, b) => (a.class < b.class ? -1 : 1));
};

/** `public.tag_usage`; a part that could be read otherwise is quoted: `public."a.b"`. */
export const className = (schema: string, name: string): string => `${part(schema)}.${part(name)}`;

const part = (name: string): string => (/^[\p{L}\p{N}_$-]+$/u.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

const keyOf = (columns: readonly string[], uniques: readonly string[]): Key => {
  const [first, last] = [columns[0], columns.at(-1)];
  if (first !== undefined && uniques.includes(first)) return 'first';
  return last !== undefined && uniques.includes(last) ? 'last' : 'row';
};
