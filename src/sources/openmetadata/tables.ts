import { z } from 'zod';
import type { Dialect } from './dialect.ts';

/** Runs one statement that only reads; columns by the names that the statement gives them. */
export type Query = (sql: string) => Promise<readonly unknown[]>;

/** The tables of one OpenMetadata catalogue, whatever schema it lives in. */
export interface Catalogue {
  readonly query: Query;
  readonly dialect: Dialect;
  /** Tables by lower-case name, with their lower-case columns; MySQL keeps some names in upper case. */
  readonly columns: ReadonlyMap<string, ReadonlySet<string>>;
  /** The quoted name of a table for use in a statement. */
  table(name: string): string;
}

const Column = z.object({ scheme: z.string(), tab: z.string(), col: z.string() });
const Numeric = z.union([z.string(), z.number(), z.bigint()]);
const Counted = z.object({ n: Numeric });

/** A catalogue has these, in one schema. */
const LANDMARKS = ['server_change_log', 'entity_relationship', 'tag_usage'] as const;

/** Undefined when the database holds no OpenMetadata. */
export async function findCatalogue(query: Query, dialect: Dialect): Promise<Catalogue | undefined> {
  const found = await query(
    `SELECT t.table_schema AS scheme, t.table_name AS tab, c.column_name AS col
       FROM information_schema.tables t
       JOIN information_schema.columns c ON c.table_schema = t.table_schema AND c.table_name = t.table_name
      WHERE t.table_type = 'BASE TABLE' AND ${dialect.ofUsers}`,
  );
  const bySchema = Map.groupBy(found.map((row) => Column.parse(row)), (row) => row.scheme);
  for (const [schema, rows] of [...bySchema].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const byTable = Map.groupBy(rows, (row) => row.tab.toLowerCase());
    if (!LANDMARKS.every((name) => byTable.has(name))) continue;
    const columns = new Map([...byTable].map(([table, own]) => [table, new Set(own.map((row) => row.col.toLowerCase()))]));
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

export const countOf = async (catalogue: Catalogue, sql: string): Promise<bigint> => BigInt(Counted.parse((await catalogue.query(sql))[0]).n);

/** Tables that hold entities: each row is one, with its JSON. */
export const entityTables = ({ columns }: Catalogue): string[] =>
  [...columns]
    .filter(([name, own]) => own.has('id') && own.has('json') && !name.endsWith('_time_series'))
    .map(([name]) => name)
    .sort();
