import type { Table } from './catalog.ts';
import { columnList, qualified } from './sql.ts';
import type { Chunk } from './tasks.ts';

/** Reads the rows of a chunk from the one after `skip` on: generated columns in front, then the written ones. */
export const copyOutSql = (table: Table, chunk: Pick<Chunk, 'pages'>, skip: number): string => {
  const columns = columnList([...table.generated, ...table.columns]);
  const offset = skip === 0 ? '' : ` OFFSET ${skip}`;
  return `COPY (SELECT ${columns} FROM ONLY ${qualified(table.schema, table.name)}${condition(table, chunk)}${offset}) TO STDOUT`;
};

/** Loads them; without columns, COPY takes the written ones, of which there are none. */
export const copyInSql = (table: Table): string => {
  const columns = table.columns.length === 0 ? '' : ` (${columnList(table.columns)})`;
  return `COPY ${qualified(table.into.schema, table.into.name)}${columns} FROM stdin`;
};

const condition = (table: Table, { pages }: Pick<Chunk, 'pages'>): string => {
  if (table.condition !== '') return ` ${table.condition}`;
  const bounds = [
    ...(pages.from === 0 ? [] : [`ctid >= '(${pages.from},0)'::tid`]),
    ...(pages.to === null ? [] : [`ctid < '(${pages.to},0)'::tid`]),
  ];
  return bounds.length === 0 ? '' : ` WHERE ${bounds.join(' AND ')}`;
};
