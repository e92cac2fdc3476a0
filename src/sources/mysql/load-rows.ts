import type { TaskContext } from '../contract.ts';
import type { Table } from './catalog.ts';
import type { Connection } from './connect.ts';
import { errnoOf } from './errors.ts';
import { BETWEEN, loadDataSql } from './load-data.ts';
import { readStatements } from './script.ts';
import { type SegmentItem, segmentItems } from './segment-script.ts';
import { identifier } from './sql.ts';
import { isTransaction, kindOf, naming } from './statement.ts';

/** Errors of a server that takes no LOAD DATA LOCAL: of all, of MySQL, of MariaDB. */
const LOAD_DATA_REFUSED: ReadonlySet<number> = new Set([1148, 3948, 4166]);

export interface RowLoad {
  readonly connection: Connection;
  /** Those of the segment, as the target has them. */
  readonly tables: readonly Table[];
  /** By LOAD DATA; else by the INSERTs that the segment is made of. */
  readonly fast: boolean;
  readonly doing: string;
  readonly progress: TaskContext['progress'];
}

/** Loads what a segment holds into the open transaction; answers how many rows came in. */
export const loadRows = async (load: RowLoad, bytes: AsyncIterable<Uint8Array>): Promise<number> => {
  const names = load.tables.flatMap(({ name, columns }) => [name, ...columns.map((column) => column.name)]);
  if (names.some((name) => name.includes('\n'))) return insertSlowly(load, bytes);
  const items = segmentItems(bytes)[Symbol.asyncIterator]();
  let { fast } = load;
  let rows = 0;
  let next = await items.next();
  while (next.done !== true) {
    const item = next.value;
    if (item.kind === 'statement') {
      if (!isTransaction(item.sql)) await load.connection.run(item.sql, `${load.doing}: ${naming(item.sql)}`);
      next = await items.next();
      continue;
    }
    const table = fast ? tableOf(load.tables, item.head) : undefined;
    if (table === undefined) {
      rows += await insert(load, item);
      next = await items.next();
      continue;
    }
    // All rows of the table that stand together are one statement.
    let asked = false;
    const together = async function* (): AsyncGenerator<Uint8Array> {
      asked = true;
      while (next.done !== true && next.value.kind === 'rows' && next.value.head === item.head) {
        const { tuples } = next.value;
        load.progress({ rows: 0, bytes: tuples.length, what: table.name });
        yield tuples;
        yield BETWEEN;
        next = await items.next();
      }
    };
    try {
      const changed = await load.connection.load(loadDataSql(table), together(), `${load.doing}: ${naming(item.head)}`);
      load.progress({ rows: changed, bytes: 0, what: table.name });
      rows += changed;
    } catch (error) {
      // A proxy may refuse what the server behind it takes.
      if (asked || !LOAD_DATA_REFUSED.has(errnoOf(error) ?? 0)) throw error;
      fast = false;
    }
  }
  return rows;
};

/** The table of a head, when LOAD DATA can fill it: one without a written column has no fields. */
const tableOf = (tables: readonly Table[], head: string): Table | undefined =>
  tables.find(({ name, columns }) => columns.length > 0 && head.startsWith(`INSERT INTO ${identifier(name)} (`));

const insert = async (
  { connection, doing, progress }: RowLoad,
  { head, tuples }: Extract<SegmentItem, { kind: 'rows' }>,
): Promise<number> => {
  const changed = await connection.run(`${head}\n${tuples.toString('utf8')}`, `${doing}: ${naming(head)}`);
  progress({ rows: changed, bytes: tuples.length, what: '' });
  return changed;
};

/** Names with newlines are cut apart by the scanner alone. */
const insertSlowly = async ({ connection, doing, progress }: RowLoad, bytes: AsyncIterable<Uint8Array>): Promise<number> => {
  let rows = 0;
  for await (const sql of readStatements(bytes)) {
    if (isTransaction(sql)) continue;
    const changed = await connection.run(sql, `${doing}: ${naming(sql)}`);
    if (kindOf(sql) !== 'INSERT') continue;
    rows += changed;
    progress({ rows: changed, bytes: sql.length, what: '' });
  }
  return rows;
};
