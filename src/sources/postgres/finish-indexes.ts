import { z } from 'zod';
import type { FinishStatement } from './finish-statements.ts';
import type { TargetSession } from './target-session.ts';

/** Indexes of a larger table are tasks of their own; smaller tables share one. Heap and TOAST, in bytes. */
const LARGE_TABLE_BYTES = 32 * 1024 * 1024;
/** Statements of a task of small tables. */
const STATEMENTS_MAX = 40;

interface TableIndexes {
  readonly bytes: number;
  readonly keys: readonly number[];
  readonly indexes: readonly number[];
}

/**
 * Groups that may run at the same time. Making a key locks its table, so the keys of the large tables come first, their other indexes
 * last, where two of them can be built in one table at once, and small tables fill in between.
 */
export async function groupIndexes(
  session: TargetSession,
  statements: readonly FinishStatement[],
): Promise<readonly (readonly number[])[]> {
  const tables = (await withSizes(session, statements)).sort((a, b) => b.bytes - a.bytes);
  const large = tables.filter((table) => table.bytes > LARGE_TABLE_BYTES);
  return [
    ...large.map((table) => table.keys).filter((keys) => keys.length > 0),
    ...batches(tables.slice(large.length)),
    ...large.flatMap((table) => table.indexes.map((n) => [n])),
  ];
}

function* batches(tables: readonly TableIndexes[]): Generator<readonly number[]> {
  let batch: number[] = [];
  let bytes = 0;
  for (const table of tables) {
    const own = [...table.keys, ...table.indexes];
    if (batch.length > 0 && (batch.length + own.length > STATEMENTS_MAX || bytes + table.bytes > LARGE_TABLE_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(...own);
    bytes += table.bytes;
  }
  if (batch.length > 0) yield batch;
}

const Size = z.object({ name: z.string(), bytes: z.number() });

async function withSizes(session: TargetSession, statements: readonly FinishStatement[]): Promise<TableIndexes[]> {
  const indexes = statements.flatMap(({ n, statement }) => (statement.kind === 'index' ? [{ n, ...statement }] : []));
  const byTable = Map.groupBy(indexes, (index) => index.table);
  const rows = await session.rows(
    Size,
    'SELECT name, coalesce(pg_table_size(to_regclass(name)), 0)::float8 AS bytes FROM unnest($1::text[]) AS name',
    [[...byTable.keys()]],
    'measuring tables',
  );
  const sizes = new Map(rows.map((row) => [row.name, row.bytes]));
  return [...byTable].map(([table, own]) => ({
    bytes: sizes.get(table) ?? 0,
    keys: own.filter((index) => index.key).map((index) => index.n),
    indexes: own.filter((index) => !index.key).map((index) => index.n),
  }));
}
