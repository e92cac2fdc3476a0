import { z } from 'zod';
import type { Dialect } from './dialect.ts';

/** Runs one statement that only reads; columns by the names that the statement gives them. */
export type Query = (sql: string) => Promise<readonly unknown[]>;

/** The tables of one OpenMetadata catalogue, whatever schema it lives in. */
export interface Catalogue {
  readonly query: Query;
  readonly dialect: Dialect;
  /** Tables by lower-case name, with their lower-case columns and the types of these; MySQL keeps some names in upper case. */
  readonly columns: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** The quoted name of a table for use in a statement. */
  table(name: string): string;
}

const Column = z.object({ scheme: z.string(), tab: z.string(), col: z.string(), type: z.string() });
const Numeric = z.union([z.string(), z.number(), z.bigint()]);
const Counted = z.object({ n: Numeric });

/** A catalogue has these, in one schema. */
const LANDMARKS = {
  server_change_log: ['version', 'checksum'],
  entity_relationship: ['fromid', 'toid', 'fromentity', 'toentity'],
  tag_usage: ['source', 'tagfqn'],
} as const;

/** Undefined when the database holds no OpenMetadata. */
export async function findCatalogue(query: Query, dialect: Dialect): Promise<Catalogue | undefined> {
  const found = await query(
    `SELECT t.table_schema AS scheme, t.table_name AS tab, c.column_name AS col, c.data_type AS type
       FROM information_schema.tables t
       JOIN information_schema.columns c ON c.table_schema = t.table_schema AND c.table_name = t.table_name
      WHERE t.table_type = 'BASE TABLE' AND ${dialect.ofUsers}`,
  );
  const bySchema = Map.groupBy(
    found.map((row) => Column.parse(row)),
    (row) => row.scheme,
  );
  for (const [schema, rows] of [...bySchema].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const byTable = Map.groupBy(rows, (row) => row.tab.toLowerCase());
    const columns = new Map(
      [...byTable].map(([table, own]) => [table, new Map(own.map((row) => [row.col.toLowerCase(), row.type.toLowerCase()]))]),
    );
    if (!Object.entries(LANDMARKS).every(([name, own]) => has({ columns }, name, ...own))) continue;
    return {
      query,
      dialect,
      columns,
      table: (name) => `${dialect.identifier(schema)}.${dialect.identifier(byTable.get(name)?.[0]?.tab ?? name)}`,
    };
  }
  return undefined;
}

/** The one number `n` of a statement, as a decimal string; aggregates of nothing are `none`. */
export async function numberOf(catalogue: Catalogue, sql: string): Promise<string> {
  const [row] = await catalogue.query(sql);
  const { n } = z.object({ n: Numeric.nullable() }).parse(row);
  return n === null ? 'none' : String(n);
}

export const countOf = async (catalogue: Catalogue, sql: string): Promise<bigint> =>
  BigInt(Counted.parse((await catalogue.query(sql))[0]).n);

export const has = ({ columns }: Pick<Catalogue, 'columns'>, table: string, ...names: readonly string[]): boolean =>
  names.every((name) => columns.get(table)?.has(name) === true);

/** Entities have UUIDs as text; settings and sequences count theirs. */
export const hasTextId = (columns: ReadonlyMap<string, string> | undefined): boolean => columns?.get('id')?.includes('char') === true;

/** Tables that hold entities: each row is one, with its JSON and the UUID in it as text. */
export const entityTables = ({ columns }: Pick<Catalogue, 'columns'>): string[] =>
  [...columns]
    .filter(([name, own]) => hasTextId(own) && own.has('json') && name !== 'entity_extension' && !name.endsWith('_time_series'))
    .map(([name]) => name)
    .sort();
