import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Connection } from './connect.ts';
import { type Column, columnOf } from './encoding.ts';
import { literal } from './sql.ts';

/** The table that a restore marks its target with; never part of a backup. */
export const MARKER = 'lifeboat_restore';

export interface Table {
  readonly name: string;
  readonly engine: string;
  /** Its rows are in snapshots. Of other engines they are those of the moment at which they are read. */
  readonly transactional: boolean;
  /** The server's estimates. */
  readonly bytes: number;
  readonly rows: number;
  /** Written columns, in order. */
  readonly columns: readonly Column[];
  /** Stored generated columns. Virtual ones are computed at each reading: a copy of them proves nothing about the restore. */
  readonly generated: readonly Column[];
  /** The column whose numbers the server would choose. */
  readonly counter: string | undefined;
  /** Columns of the primary key, or else of a unique key without NULL. */
  readonly key: readonly string[];
  /** The first column of `key`, or else of any unique key, where ranges of its values can be written down. */
  readonly range: Range | undefined;
  /** Changes whenever columns, keys or engine do. */
  readonly definition: string;
}

export interface Range {
  readonly column: string;
  readonly index: string;
  readonly nullable: boolean;
  readonly kind: 'number' | 'text';
}

export const TRANSACTIONAL = 'InnoDB';

/** Engines that keep all their rows here and obey LOCK TABLES; with it their rows are of one instant too. */
export const LOCKABLE: ReadonlySet<string> = new Set(['MyISAM', 'Aria', 'MEMORY', 'ARCHIVE', 'CSV']);

const TableRow = z.object({
  name: z.string(),
  engine: z.string().nullable(),
  options: z.string().nullable(),
  bytes: z.coerce.number(),
  n: z.coerce.number(),
});
const ColumnRow = z.object({
  tab: z.string(),
  name: z.string(),
  type: z.string(),
  full: z.string(),
  extra: z.string().nullable(),
  detail: z.string().nullable(),
});
const KeyRow = z.object({
  tab: z.string(),
  idx: z.string(),
  duplicates: z.coerce.number(),
  col: z.string().nullable(),
  nullable: z.string().nullable(),
  part: z.coerce.number().nullable(),
});

export const OWN_TABLES = `t.table_schema = DATABASE() AND t.table_name <> '${MARKER}'`;

const TABLES = (only: string): string => `
SELECT t.table_name AS name, t.engine AS engine, t.create_options AS options, coalesce(t.data_length, 0) AS bytes, coalesce(t.table_rows, 0) AS n
  FROM information_schema.tables t WHERE ${OWN_TABLES} AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')${only}`;
const COLUMNS = (only: string): string => `
SELECT t.table_name AS tab, t.column_name AS name, t.data_type AS type, t.column_type AS full, t.extra AS extra,
       concat_ws('|', t.is_nullable, t.collation_name, t.column_default, t.generation_expression) AS detail
  FROM information_schema.columns t WHERE ${OWN_TABLES}${only} ORDER BY t.table_name, t.ordinal_position`;
const KEYS = (only: string): string => `
SELECT t.table_name AS tab, t.index_name AS idx, t.non_unique AS duplicates, t.column_name AS col, t.nullable AS nullable, t.sub_part AS part
  FROM information_schema.statistics t WHERE ${OWN_TABLES}${only} ORDER BY t.table_name, t.index_name, t.seq_in_index`;

const GENERATED = /\b(?:VIRTUAL|STORED) GENERATED\b|\bPERSISTENT\b|\bVIRTUAL\b/i;
const VIRTUAL = /\bVIRTUAL\b/i;
/** Types whose values can be written as the end of a range, and compare there as they do in the index. */
const RANGE_NUMBER = /^(tinyint|smallint|mediumint|int|bigint|decimal)$/;
const RANGE_TEXT = /^(char|varchar|date|datetime|timestamp)$/;
/** Hex digits that tell one definition from another. */
const DEFINITION_DIGITS = 12;

type ColumnFacts = z.output<typeof ColumnRow>;
type KeyFacts = z.output<typeof KeyRow>;

/** Every base table of the database, or those of these names, by name. Not of the instant: the catalogue knows no transactions. */
export const readTables = async (connection: Connection, names?: readonly string[]): Promise<Table[]> => {
  const doing = 'reading the catalogue';
  const only = names === undefined ? '' : ` AND t.table_name IN (${names.map(literal).join(', ')})`;
  const tables = await connection.rows(TableRow, TABLES(only), doing);
  const columns = Map.groupBy(await connection.rows(ColumnRow, COLUMNS(only), doing), (row) => row.tab);
  const keys = Map.groupBy(await connection.rows(KeyRow, KEYS(only), doing), (row) => row.tab);
  return tables
    .map((table) => tableOf(table, columns.get(table.name) ?? [], keys.get(table.name) ?? []))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
};

const tableOf = (table: z.output<typeof TableRow>, columns: readonly ColumnFacts[], keys: readonly KeyFacts[]): Table => {
  const indexes = [...Map.groupBy(keys, (row) => row.idx)].map(([index, parts]) => ({ index, parts }));
  // InnoDB keeps the rows in the order of the first one without NULL.
  const unique = indexes.filter(({ parts }) => parts[0]?.duplicates === 0).sort((a, b) => rank(a) - rank(b));
  const written = columns.filter((column) => !GENERATED.test(column.extra ?? ''));
  const names = new Set(written.map((column) => column.name));
  const identity = unique.find(({ parts }) =>
    parts.every(({ col, nullable, part }) => col !== null && names.has(col) && nullable !== 'YES' && part === null),
  );
  return {
    name: table.name,
    engine: table.engine ?? 'broken',
    transactional: table.engine === TRANSACTIONAL,
    bytes: table.bytes,
    rows: table.n,
    columns: written.map(({ name, type }) => columnOf(name, type)),
    generated: columns
      .filter(({ extra }) => GENERATED.test(extra ?? '') && !VIRTUAL.test(extra ?? ''))
      .map(({ name, type }) => columnOf(name, type)),
    counter: columns.find(({ extra }) => /auto_increment/i.test(extra ?? ''))?.name,
    key: identity?.parts.map(({ col }) => col ?? '') ?? [],
    range: rangeOf(unique, columns),
    definition: createHash('sha256')
      .update(JSON.stringify([table.engine, columns, keys.map(({ tab, ...key }) => key)]))
      .digest('hex')
      .slice(0, DEFINITION_DIGITS),
  };
};

const rank = ({ index, parts }: { readonly index: string; readonly parts: readonly KeyFacts[] }): number =>
  index === 'PRIMARY' ? 0 : parts.every(({ nullable }) => nullable !== 'YES') ? 1 : 2;

const rangeOf = (
  unique: readonly { readonly index: string; readonly parts: readonly KeyFacts[] }[],
  columns: readonly ColumnFacts[],
): Range | undefined => {
  for (const { index, parts } of unique) {
    const [first] = parts;
    const column = columns.find(({ name }) => name === first?.col);
    if (first === undefined || column === undefined || first.part !== null) continue;
    const kind = RANGE_NUMBER.test(column.type) ? 'number' : RANGE_TEXT.test(column.type) ? 'text' : undefined;
    if (kind !== undefined) return { column: column.name, index, nullable: first.nullable === 'YES', kind };
  }
  return undefined;
};
