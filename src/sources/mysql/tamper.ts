import { z } from 'zod';
import { generatedClass } from '../../backup/rows.ts';
import type { Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Budget, Services, Tampering } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { readTables, type Table } from './catalog.ts';
import { type Connection, type RawRow, withConnection } from './connect.ts';
import { type Column, openEncoder } from './encoding.ts';
import { createMarker, insertItem, readDetail, readMarker } from './marker.ts';
import { refuseUnlessScratch } from './scratch.ts';
import { columnList, identifier } from './sql.ts';

/** Its item in the marker: tampering again with the same scratch would undo what was done. */
const ITEM = 'tampered';
const TamperingSchema = z.object({ what: z.array(z.string()), classes: z.array(z.string()) });

/** Rows are chosen among the first ones of a table. */
const ROWS_MAX = 1000;

/** Changes one value of one row and deletes a row of another table, chosen by `seed`, in one transaction that also notes it. */
export const tamperWith = async (
  address: MysqlAddress,
  services: Services,
  manifest: Manifest,
  seed: number,
  budget: Budget,
): Promise<Tampering> => {
  refuseUnlessScratch(address);
  return damage(address, services, manifest, seed, budget);
};

/** As tamperWith, for a whole server that is thrown away, whatever its databases are called. */
export const damage = async (
  address: MysqlAddress,
  services: Services,
  manifest: Manifest,
  seed: number,
  budget: Budget,
): Promise<Tampering> =>
  withConnection(
    address,
    services,
    async (connection) => {
      const before = await readDetail(connection, ITEM);
      if (before !== undefined) return TamperingSchema.parse(parseJson(before));
      if ((await readMarker(connection)) === undefined) await createMarker(connection, 'a drill tampered with this database');
      await connection.run("SET SESSION foreign_key_checks = 0, sql_mode = 'STRICT_ALL_TABLES'");
      await connection.run('START TRANSACTION', 'tampering');
      const tables = inOrderOf(seed, await candidates(connection, manifest));
      const changed = await first(tables, (table) => changeRow(connection, table, seed));
      const deleted = await first(
        // Another class when there is one: two failures prove more than one.
        tables.filter((table) => table !== changed?.table),
        (table) => deleteRow(connection, table, seed),
      );
      if (changed === undefined) throw new LifeboatError('TargetProblem', `no row of "${address.database}" can be changed`);
      const tampering: Tampering = {
        what: [
          `changed ${changed.done} of one row of ${changed.table.name}`,
          ...(deleted === undefined ? [] : [`deleted one row of ${deleted.table.name}`]),
        ],
        classes: [...new Set([...changed.classes, ...(deleted?.classes ?? [])])].sort(),
      };
      await insertItem(connection, ITEM, JSON.stringify(tampering));
      await connection.run('COMMIT', 'tampering');
      return tampering;
    },
    { target: true, signal: budget.signal },
  );

interface Hit {
  readonly table: Table;
  readonly done: string;
  readonly classes: readonly string[];
}

const first = async (tables: readonly Table[], attempt: (table: Table) => Promise<Hit | undefined>): Promise<Hit | undefined> => {
  for (const table of tables) {
    const hit = await attempt(table);
    if (hit !== undefined) return hit;
  }
  return undefined;
};

const Named = z.object({ name: z.string() });

/** Tables with rows in the backup and a key, where an attempt can be taken back, which do nothing on their own when a row changes. */
const candidates = async (connection: Connection, manifest: Manifest): Promise<Table[]> => {
  const filled = new Set(manifest.digests.filter((digest) => digest.rows !== '0').map((digest) => digest.name));
  const lively = await connection.rows(
    Named,
    'SELECT DISTINCT event_object_table AS name FROM information_schema.triggers WHERE trigger_schema = DATABASE()',
    'looking for triggers',
  );
  const avoided = new Set(lively.map(({ name }) => name));
  return (await readTables(connection)).filter(
    (table) => table.transactional && table.key.length > 0 && filled.has(table.name) && !avoided.has(table.name),
  );
};

/** A condition for one row; undefined when the table is empty. */
const chooseRow = async (connection: Connection, table: Table, seed: number): Promise<string | undefined> => {
  const keys = table.columns.filter((column) => table.key.includes(column.name));
  const from = `FROM ${identifier(table.name)}`;
  const [counted] = await connection.query(`SELECT count(*) AS n FROM (SELECT 1 ${from} LIMIT ${ROWS_MAX}) t`, 'tampering');
  const rows = Number(counted?.['n'] ?? 0);
  if (rows === 0) return undefined;
  const list = columnList(keys.map((column) => column.name));
  const [row] = await readRaw(
    connection,
    `SELECT ${keys.map((column) => column.expression).join(',')} ${from} ORDER BY ${list} LIMIT ${seed % rows}, 1`,
  );
  if (row === undefined) return undefined;
  const tuple = openEncoder(keys, []).encode(row, 0).row.toString('utf8');
  return `(${keys.map((column) => column.expression).join(',')}) = ${tuple}`;
};

const readRaw = (connection: Connection, sql: string): Promise<RawRow[]> => connection.raw(sql, 'tampering');

const changeRow = async (connection: Connection, table: Table, seed: number): Promise<Hit | undefined> => {
  const row = await chooseRow(connection, table, seed);
  if (row === undefined) return undefined;
  const columns = table.columns.filter((column) => !table.key.includes(column.name));
  for (let i = 0; i < columns.length; i++) {
    const column = columns[(i + seed) % columns.length];
    if (column === undefined) continue;
    const classes = await change(connection, table, column, row);
    if (classes !== undefined) return { table, done: identifier(column.name), classes };
  }
  return undefined;
};

/** The classes whose digests differ now; undefined, and nothing changed, when a constraint forbids it or the value stays the same. */
const change = async (connection: Connection, table: Table, column: Column, row: string): Promise<string[] | undefined> => {
  const name = identifier(table.name);
  const texts = async (columns: readonly Column[]): Promise<string> => {
    if (columns.length === 0) return '';
    const [values] = await readRaw(connection, `SELECT ${columns.map((each) => each.expression).join(',')} FROM ${name} WHERE ${row}`);
    return values === undefined ? '' : openEncoder(columns, []).encode(values, 0).row.toString('latin1');
  };
  const before = [await texts(table.columns), await texts(table.generated)];
  await connection.run('SAVEPOINT attempt', 'tampering');
  try {
    await connection.run(`UPDATE ${name} SET ${identifier(column.name)} = ${otherValue(column)} WHERE ${row}`, 'tampering');
  } catch (error) {
    if (error instanceof LifeboatError && error.retryable) throw error;
    await connection.run('ROLLBACK TO SAVEPOINT attempt', 'tampering');
    return undefined;
  }
  const after = [await texts(table.columns), await texts(table.generated)];
  if (before[0] === after[0]) {
    await connection.run('ROLLBACK TO SAVEPOINT attempt', 'tampering');
    return undefined;
  }
  return [table.name, ...(before[1] === after[1] ? [] : [generatedClass(table.name)])];
};

/** Another value for a column, as SQL that refers to the old one. */
const otherValue = ({ name, encoding }: Column): string => {
  const column = identifier(name);
  switch (encoding) {
    case 'number':
    case 'quoted':
      return `IF(${column} > 0, ${column} - 1, coalesce(${column}, 0) + 1)`;
    case 'hex':
      return `concat(coalesce(${column}, ''), 0x2a)`;
    case 'text': {
      const letter = `concat(IF(left(${column}, 1) = 'x', 'y', 'x'), substr(coalesce(${column}, ''), 2))`;
      return `IF(JSON_VALID(${column}) AND left(${column}, 1) = '{', JSON_SET(${column}, '$.lifeboat', 'changed'), ${letter})`;
    }
  }
};

const deleteRow = async (connection: Connection, table: Table, seed: number): Promise<Hit | undefined> => {
  const row = await chooseRow(connection, table, seed + 1);
  if (row === undefined) return undefined;
  const deleted = await connection.run(`DELETE FROM ${identifier(table.name)} WHERE ${row} LIMIT 1`, 'tampering');
  if (deleted !== 1) return undefined;
  return { table, done: 'deleted', classes: [table.name, ...(table.generated.length > 0 ? [generatedClass(table.name)] : [])] };
};

/** The same for the same seed; every table may come first. */
const inOrderOf = <Item>(seed: number, items: readonly Item[]): Item[] => {
  const left = [...items];
  let state = seed >>> 0;
  const chosen: Item[] = [];
  while (left.length > 0) {
    // Numerical Recipes' generator: good enough to choose, and small.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    chosen.push(...left.splice(Math.floor((state / 2 ** 32) * left.length), 1));
  }
  return chosen;
};
