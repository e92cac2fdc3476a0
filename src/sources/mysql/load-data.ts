/**
 * Tuples as LOAD DATA reads them: `(1,'it\\'s',NULL)` is a line that begins with `(` and ends with `),`, of fields between commas, in
 * quotes where they are text. So what the artifact holds is sent as it is, and the server parses no SQL.
 */
import type { Table } from './catalog.ts';
import type { Connection } from './connect.ts';
import { identifier } from './sql.ts';

const FORMAT = String.raw`FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\'' ESCAPED BY '\\' LINES STARTING BY '(' TERMINATED BY '),\n'`;

/** Behind the last tuple of a statement, as behind all others. */
export const BETWEEN = Buffer.from(',\n');

/** Whether the server takes LOAD DATA LOCAL (local_infile; on RDS a parameter of the instance). */
export const takesLoadData = async (connection: Connection): Promise<boolean> => {
  const [row] = await connection.query('SELECT @@global.local_infile AS v', 'asking for local_infile');
  return Number(row?.['v']) === 1;
};

export const loadDataSql = ({ name, columns, counter }: Pick<Table, 'name' | 'columns' | 'counter'>): string => {
  // With a SET clause the server would choose a number instead of 0, unless the column is set too.
  const sets = columns.some(({ loaded }) => loaded !== undefined);
  const places: string[] = [];
  const values: string[] = [];
  for (const [place, column] of columns.entries()) {
    const value = column.loaded ?? (sets && column.name === counter ? '@v' : undefined);
    places.push(value === undefined ? identifier(column.name) : `@v${place}`);
    if (value !== undefined) values.push(`${identifier(column.name)} = ${value.replaceAll('@v', `@v${place}`)}`);
  }
  const set = values.length === 0 ? '' : ` SET ${values.join(', ')}`;
  return `LOAD DATA LOCAL INFILE 'lifeboat' INTO TABLE ${identifier(name)} CHARACTER SET utf8mb4 ${FORMAT} (${places.join(', ')})${set}`;
};
