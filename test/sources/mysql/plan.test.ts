import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTables, type Table } from '../../../src/sources/mysql/catalog.ts';
import { type Connection, withConnection } from '../../../src/sources/mysql/connect.ts';
import { conditionOf, planChunks } from '../../../src/sources/mysql/plan.ts';
import { freshSchema, type MariadbServer, mariadbMissing, sql, startMariadb } from '../../support/mariadb.ts';
import { addressOf, backUp, services } from './harness.ts';

const missing = mariadbMissing();
const MB = 1024 * 1024;

describe.skipIf(missing !== undefined)(`A plan by statistics that lie${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let server: MariadbServer;
  let url: string;

  beforeAll(async () => {
    server = await startMariadb(['--innodb-stats-auto-recalc=OFF']);
    url = (await freshSchema(server, 'stale')).url;
    // The statistics are those of an empty table.
    await sql(
      url,
      'CREATE TABLE filled (id int PRIMARY KEY, t longtext); CREATE TABLE tiny (id int PRIMARY KEY); ANALYZE TABLE filled, tiny',
    );
    await sql(url, "INSERT INTO filled SELECT seq, repeat('x', 1000) FROM seq_1_to_20000; INSERT INTO tiny VALUES (1)");
  }, 60_000);
  afterAll(() => server?.stop());

  const planned = (change: (table: Table) => Table, size: number) =>
    withConnection(addressOf(url), services, async (connection) => {
      const tables = (await readTables(connection)).map((table) => (table.name === 'filled' ? change(table) : table));
      const { chunks, bytes } = await planChunks(connection, tables, size);
      const pieces = chunks.flatMap((chunk) => (chunk.kind === 'rows' ? chunk.pieces : [])).filter(({ table }) => table === 'filled');
      return {
        bytes,
        pieces,
        rows: await rowsOf(
          connection,
          tables.find(({ name }) => name === 'filled'),
          pieces,
        ),
      };
    });
  const rowsOf = async (
    connection: Connection,
    table: Table | undefined,
    pieces: Parameters<typeof conditionOf>[0][],
  ): Promise<number[]> => {
    const counts: number[] = [];
    for (const piece of pieces) {
      const [row] = await connection.query(`SELECT count(*) AS n FROM filled${conditionOf(piece, table?.range)}`);
      counts.push(Number(row?.['n']));
    }
    return counts;
  };

  it.each<[string, Partial<Table>]>([
    ['as the server has them: of the empty table', {}],
    ['without any', { bytes: 0, rows: 0 }],
    ['with too few rows of too many bytes', { bytes: 200 * MB, rows: 3 }],
    ['with far too few rows', { bytes: 20 * MB, rows: 40 }],
  ])('cuts a full table into ranges of about the wanted size, %s', async (_name, lie) => {
    const { pieces, rows, bytes } = await planned((table) => ({ ...table, ...lie }), 2 * MB);
    expect(rows.reduce((sum, n) => sum + n, 0)).toBe(20_000);
    expect(pieces.length).toBeGreaterThan(7);
    expect(pieces.length).toBeLessThan(13);
    expect(Math.max(...rows)).toBeLessThan(2_500);
    expect(bytes).toBeGreaterThan(18 * MB);
  });

  it('gives every lane its share of it', async () => {
    const { tasks, manifest } = await backUp(url, { lanes: 4, chunkBytes: 2 * MB });
    expect(tasks).toHaveLength(4);
    expect(manifest.digests.map(({ name, rows }) => `${name} ${rows}`)).toEqual(['filled 20000', 'tiny 1']);
  });
});
