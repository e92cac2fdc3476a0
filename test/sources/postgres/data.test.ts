import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collector } from '../../support/collected.ts';
import { type FreshDatabase, freshDatabase, query } from '../../support/postgres.ts';
import { dumpAt, dumpDatabase, none, whileHeld } from './harness.ts';

let database: FreshDatabase;
beforeEach(async () => {
  database = await freshDatabase('data');
});
afterEach(() => database.drop());

/** Updates, deletes, inserts and vacuums until told to stop; answers how many rounds it made. */
const disturb = (url: string, table: string) => {
  let over = false;
  const rounds = (async () => {
    const client = new Client({ connectionString: url });
    await client.connect();
    let n = 0;
    for (; !over; n++) {
      await client.query(`UPDATE ${table} SET v = v + 1 WHERE a % 50 = $1`, [n % 50]);
      await client.query(`DELETE FROM ${table} WHERE a % 97 = $1`, [n % 97]);
      await client.query(`INSERT INTO ${table} SELECT 100000 + g, 0, 'new' FROM generate_series(1, 200) g`);
      if (n % 5 === 0) await client.query(`VACUUM ${table}`);
    }
    await client.end();
    return n;
  })();
  return async () => {
    over = true;
    return rounds;
  };
};

describe('the chunks of a big table', () => {
  it('are complete and disjoint while others write, in one piece or many, continued or not', async () => {
    await query(
      database.url,
      `CREATE TABLE big (a int, v int, pad text); INSERT INTO big SELECT g, 0, repeat('p', g % 400) FROM generate_series(1, 20000) g`,
    );
    await whileHeld(database.url, async (instants) => {
      const stop = disturb(database.url, 'big');
      const whole = await dumpAt(database.url, instants);
      const cut = await dumpAt(database.url, instants, { sizes: { chunkBytes: 200_000, segmentRawBytes: 100_000 }, parallel: 3 });
      const starved = await dumpAt(database.url, instants, { sizes: { chunkBytes: 2_000_000, segmentRawBytes: 10_000_000 }, budget: none });
      expect(await stop()).toBeGreaterThan(3);
      expect(whole.digests.find(({ name }) => name === 'public.big')?.rows).toBe('20000');
      expect(cut.digests).toEqual(whole.digests);
      expect(starved.digests).toEqual(whole.digests);
      expect(cut.tasks.length).toBeGreaterThan(15);
      expect(starved.receipts.length).toBeGreaterThan(30);
    });
  });

  it('say what they hold, segment by segment', async () => {
    await query(
      database.url,
      `CREATE TABLE big (a int, pad text); INSERT INTO big SELECT g, repeat('p', 400) FROM generate_series(1, 3000) g; CREATE TABLE small (a int); INSERT INTO small VALUES (1)`,
    );
    const { segments, digests } = await dumpDatabase(database.url, { sizes: { chunkBytes: 300_000, segmentRawBytes: 100_000 } });
    const data = segments.map(
      (segment) => segment.context as { kind: string; classes?: string[]; tables?: { schema: string; name: string; rows: number }[] },
    );
    expect(data.map(({ kind }) => kind).filter((kind) => kind !== 'data')).toEqual(['pre-data', 'sequences', 'post-data', 'trailer']);
    const tables = data.flatMap((context) => context.tables ?? []);
    const rows = (name: string) => tables.filter((table) => table.name === name).reduce((sum, table) => sum + table.rows, 0);
    expect([rows('big'), rows('small')]).toEqual([3000, 1]);
    expect(digests.map(({ name, rows }) => [name, rows])).toEqual([
      ['public.big', '3000'],
      ['public.small', '1'],
    ]);
    const ordinals = segments.map((segment) => segment.ordinal);
    expect(new Set(ordinals).size).toBe(ordinals.length);
  });

  it('go on from a cursor of a few bytes', async () => {
    await query(
      database.url,
      `CREATE TABLE big (a int, pad text); INSERT INTO big SELECT g, repeat('p', 800) FROM generate_series(1, 2000) g`,
    );
    const { receipts } = await dumpDatabase(database.url, { budget: none });
    const cursors = receipts.flatMap((receipt) => (receipt.next === undefined ? [] : [receipt.next.cursor]));
    expect(cursors.length).toBeGreaterThan(3);
    for (const cursor of cursors) expect(cursor.length).toBeLessThan(100);
  });
});

describe('a row of 80 MB on a table of one page', () => {
  it('goes through in blocks of 4 MiB, its memory bounded by the row', async () => {
    await query(
      database.url,
      `CREATE TABLE huge (a int PRIMARY KEY, t text); ALTER TABLE huge ALTER t SET STORAGE EXTERNAL; INSERT INTO huge SELECT g, repeat(md5(g::text), 2500000) FROM generate_series(1, 3) g`,
    );
    const sizes: number[] = [];
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const { texts, write } = collector();
    const measured = async function* (raw: AsyncIterable<Uint8Array>) {
      for await (const block of raw) {
        sizes.push(block.length);
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
        // Dropped here: what is measured is the reader, not this sink.
        yield block.subarray(0, 0);
      }
    };
    const { digests } = await dumpDatabase(database.url, { sink: { texts, write: (at, raw, as) => write(at, measured(raw), as) } });
    expect(digests.find(({ name }) => name === 'public.huge')?.rows).toBe('3');
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(240_000_000);
    expect(Math.max(...sizes)).toBe(4 * 1024 * 1024);
    // The row that is read, the one before it that the writer still has, and some blocks.
    expect(most).toBeLessThan(250_000_000);
  }, 60_000);
});
