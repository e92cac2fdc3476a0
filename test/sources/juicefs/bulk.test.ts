/** How rows come into SQL engines: in bulk, and row by row once some are there. */
import { describe, expect, it } from 'vitest';
import { openSql, openWriter } from '../../../src/sources/juicefs/engines/open.ts';
import { binary, type Into, integer, type SqlRow, string } from '../../../src/sources/juicefs/engines/sql.ts';
import { MARKER } from '../../../src/sources/juicefs/engines/tables.ts';
import type { HeadToLoad, Occurrence, Writer } from '../../../src/sources/juicefs/engines/writer.ts';
import { loadEntries } from '../../../src/sources/juicefs/write/entries.ts';
import { flawsOf } from './derived.ts';
import { type EngineName, emptyEngine, loadInto, missing, services } from './harness.ts';

const SQL: readonly EngineName[] = ['sqlite', 'postgres', 'mysql'];
const HEAD =
  '{"Setting":{"Name":"v","UUID":"u","Storage":"file","Bucket":"/b/","BlockSize":4096,"TrashDays":1},"Counters":{"nextInodes":10,"nextChunk":10},';
const attr = (inode: number, type: string, nlink: number): string =>
  `"attr":{"inode":${inode},"type":"${type}","mode":420,"uid":0,"gid":0,"nlink":${nlink},"length":${type === 'regular' ? 4096 : 0}}`;
const file = (inode: number, slice: number, nlink = 1): string =>
  `{${attr(inode, 'regular', nlink)},"chunks":[{"index":0,"slices":[{"id":${slice},"size":4096,"len":4096}]}]}`;
const folder = (inode: number, entries: readonly string[]): string => `{${attr(inode, 'directory', 2)},"entries":{${entries.join()}}}`;
/** More than one transaction holds. */
const filler = (from: number): readonly string[] => Array.from({ length: 2500 }, (_, i) => `"f${i}":${file(from + i, from + i)}`);
const volume = (entries: readonly string[]): string => `${HEAD}"FSTree":${folder(1, entries)}}`;

const rowsOf = async (address: Awaited<ReturnType<typeof emptyEngine>>, sql: (table: (name: string) => string) => string) => {
  const session = await openSql(address, services, false);
  try {
    return await session.rows(sql(session.dialect.table), 'looking');
  } finally {
    await session.close();
  }
};

describe.each(SQL)('a load into %s', (engine) => {
  const reason = missing(engine);

  it.skipIf(reason !== undefined)(
    'counts names and slices that come again in a later transaction, whatever the dump says of links',
    async () => {
      const address = await emptyEngine(engine);
      // 3 has two names and is told to have one; 5 has two and says so; slice 9 is shared by two files.
      const dump = volume([
        `"a":${folder(2, [`"lies":${file(3, 8)}`, `"link":${file(5, 7, 2)}`, `"shared":${file(4, 9)}`])}`,
        `"b":${folder(10, filler(1000))}`,
        `"c":${folder(11, [`"lies":${file(3, 8)}`, `"link":${file(5, 7, 2)}`, `"clone":${file(6, 9)}`])}`,
        `"d":${folder(12, filler(5000))}`,
      ]);
      expect((await loadInto(address, dump)).rows).toBe(String(4 + 6 + 5000));
      expect(await flawsOf(address)).toEqual([]);
      const links = await rowsOf(
        address,
        (table) => `SELECT inode, nlink, parent FROM ${table('node')} WHERE inode IN (3, 4, 5, 6) ORDER BY 1`,
      );
      expect(links.map((row) => row.map(integer))).toEqual([
        [3n, 2n, 0n],
        [4n, 1n, 2n],
        [5n, 2n, 0n],
        [6n, 1n, 11n],
      ]);
      const references = await rowsOf(
        address,
        (table) => `SELECT chunkid, refs FROM ${table('chunk_ref')} WHERE chunkid < 1000 ORDER BY 1`,
      );
      expect(references.map((row) => row.map(integer))).toEqual([
        [7n, 1n],
        [8n, 1n],
        [9n, 2n],
      ]);
      const names = await rowsOf(address, () => INDEX_NAMES[engine] ?? '');
      expect(names.map(([name]) => string(name)).filter((name) => name.startsWith('IDX_'))).toEqual(
        expect.arrayContaining(['IDX_jfs_edge_inode', 'IDX_jfs_chunk_ref_refs']),
      );
    },
    30_000,
  );

  it.skipIf(reason !== undefined)('of rows that are there keeps, adds or replaces', async () => {
    const address = await emptyEngine(engine);
    const writer = await openWriter(address, services);
    await writer.begin('r', 'now');
    await writer.close();
    const session = await openSql(address, services, true);
    const transaction = async (into: Into, rows: readonly SqlRow[]): Promise<number> => {
      for (;;) {
        await session.run(session.dialect.begin, 'beginning');
        try {
          const came = await session.insert(into, rows, 'writing');
          await session.run('COMMIT', 'writing');
          return came;
        } catch (error) {
          await session.run('ROLLBACK', 'giving up');
          if (!session.isTransient(error)) throw error;
        }
      }
    };
    try {
      const chunks: Into = { table: 'chunk', columns: ['inode', 'indx', 'slices'], there: 'keep' };
      const references: Into = { table: 'chunk_ref', columns: ['chunkid', 'size', 'refs'], there: 'add' };
      const counters: Into = { table: 'counter', columns: ['name', 'value'], there: 'replace' };
      const count = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
      const blob = (n: number): Uint8Array => Uint8Array.from([0, n % 256, 39, 92, 255]);
      expect(
        await transaction(
          chunks,
          count(0, 100).map((n) => [n, 0, blob(n)]),
        ),
      ).toBe(100);
      expect(
        await transaction(
          chunks,
          count(50, 150).map((n) => [n, 0, blob(0)]),
        ),
      ).toBe(50);
      expect(
        await transaction(chunks, [
          [7, 0, blob(0)],
          [-(2n ** 63n), 2_147_483_647, new Uint8Array()],
          [2n ** 63n - 1n, 0, blob(1)],
        ]),
      ).toBe(2);
      await transaction(
        references,
        count(0, 60).map((n) => [2n ** 60n + BigInt(n), 4096, 1]),
      );
      await transaction(
        references,
        count(30, 90).map((n) => [2n ** 60n + BigInt(n), 4096, 2]),
      );
      await transaction(counters, [
        ["it's \\ 日本", 2 ** 52 + 1],
        ['negative', -5_000_000_000],
      ]);
      await transaction(counters, [['negative', -(2 ** 32) - 1]]);
      const { table, column, raw } = session.dialect;
      const all = await session.rows(`SELECT inode, indx, ${raw('slices')} FROM ${table('chunk')} ORDER BY inode`, 'looking');
      expect(all).toHaveLength(152);
      expect(all.slice(1, 101).map(([inode, , slices]) => [integer(inode), [...binary(slices)]])).toEqual(
        count(0, 100).map((n) => [BigInt(n), [...blob(n)]]),
      );
      expect([integer(all[0]?.[0]), integer(all[0]?.[1]), binary(all[0]?.[2]).length]).toEqual([-(2n ** 63n), 2_147_483_647n, 0]);
      expect(integer(all.at(-1)?.[0])).toBe(2n ** 63n - 1n);
      const refs = await session.rows(`SELECT refs, COUNT(*) FROM ${table('chunk_ref')} GROUP BY refs ORDER BY refs`, 'looking');
      expect(refs.map((row) => row.map(integer))).toEqual([
        [1n, 30n],
        [2n, 30n],
        [3n, 30n],
      ]);
      const values = await session.rows(`SELECT ${column('name')}, ${column('value')} FROM ${table('counter')} ORDER BY 2`, 'looking');
      expect(values.map(([name, value]) => [string(name), integer(value)])).toEqual([
        ['negative', -(2n ** 32n) - 1n],
        ["it's \\ 日本", 2n ** 52n + 1n],
      ]);
    } finally {
      await session.close();
    }
  });
});

describe.each(SQL)('the first of the last steps, on %s', (engine) => {
  it.skipIf(missing(engine) !== undefined)('may run twice at the same time', async () => {
    const address = await emptyEngine(engine);
    const writers = [await openWriter(address, services), await openWriter(address, services)];
    try {
      await writers[0]?.begin('r', 'now');
      await writers[0]?.put(occurrences(40));
      const head = {} as unknown as HeadToLoad;
      const finish = (writer: Writer): Promise<void> => writer.finish('links', head, services.now());
      // SQLite waits for its lock on the one thread that both would have here.
      if (engine === 'sqlite') for (const writer of writers) await finish(writer);
      else await Promise.all(writers.map(finish));
      const names = await rowsOf(address, () => INDEX_NAMES[engine] ?? '');
      expect(
        names
          .map(([name]) => string(name))
          .filter((name) => name.startsWith('IDX_'))
          .sort(),
      ).toEqual(['IDX_jfs_chunk_ref_refs', 'IDX_jfs_edge_inode']);
    } finally {
      await Promise.all(writers.map((writer) => writer.close()));
    }
  });
});

const INDEX_NAMES: Readonly<Record<string, string>> = {
  sqlite: `SELECT name FROM sqlite_master WHERE type = 'index'`,
  postgres: 'SELECT indexname::text FROM pg_indexes',
  mysql: 'SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = DATABASE()',
};

describe('a load into PostgreSQL', () => {
  it('refuses a number that its columns do not hold', async () => {
    const address = await emptyEngine('postgres');
    const large = `{${attr(3, 'regular', 1)},"chunks":[{"index":3000000000,"slices":[{"id":1,"size":4096,"len":4096}]}]}`;
    await expect(loadInto(address, volume([`"a":${large}`]))).rejects.toThrow(/3000000000 does not fit 32 bits/);
  });

  it('waits for the disk once, when its rows are in', async () => {
    const address = await emptyEngine('postgres');
    const writer = await openWriter(address, services);
    try {
      await writer.begin('r', 'now');
      expect(await writer.put(occurrences(2))).toBe(2);
      await writer.settle?.();
      await writer.settle?.();
      expect((await rowsOf(address, (table) => `SELECT item FROM ${table(MARKER.name)} ORDER BY 1`)).map(([item]) => item)).toEqual([
        'restore',
        'settled',
        'since',
      ]);
      expect((await writer.marker())?.restore).toBe('r');
    } finally {
      await writer.close();
    }
  });
});

const occurrences = (count: number): readonly Occurrence[] =>
  Array.from({ length: count }, (_, i) => ({
    parent: 1n,
    root: false,
    entry: {
      name: Buffer.from(`n${i}`),
      attr: {
        ...{ inode: BigInt(i + 2), type: 1, flags: 0, mode: 420, uid: 0, gid: 0, atime: 0n, atimensec: 0, mtime: 0n, mtimensec: 0 },
        ...{ ctime: 0n, ctimensec: 0, nlink: 1, length: 0n, rdev: 0, tier: 0 },
      },
    },
  }));

describe('entries on their way', () => {
  /** Keeps what it was given, and fails at a batch. */
  const recorder = (failsAt = Number.POSITIVE_INFINITY) => {
    const sizes: number[] = [];
    let busy = 0;
    const put: Writer['put'] = async (batch) => {
      busy++;
      await new Promise((resolve) => setTimeout(resolve, 1));
      busy--;
      sizes.push(batch.length);
      if (sizes.length >= failsAt) throw new Error('full');
      return batch.filter(({ root }) => !root).length;
    };
    return { sizes, busy: () => busy, writer: { put } as unknown as Writer };
  };
  const load = (writer: Writer, text: string, progress = (_read: number): void => {}) =>
    loadEntries(writer, [Buffer.from(text)], {
      start: { at: 'document' },
      signal: new AbortController().signal,
      progress: ({ read }) => progress(read),
    });

  it('are written in transactions of bounded names and bytes', async () => {
    const many = recorder();
    let read = 0;
    await load(many.writer, volume(filler(100)), (more) => {
      read += more;
    });
    expect(many.sizes).toEqual([2000, 501]);
    expect(read).toBe(2500);
    const slices = Array.from({ length: 60_000 }, (_, i) => `{"id":${i + 1},"size":9,"len":9}`).join();
    const large = (inode: number): string => `"l${inode}":{${attr(inode, 'regular', 1)},"chunks":[{"index":0,"slices":[${slices}]}]}`;
    const few = recorder();
    await load(few.writer, volume([2, 3, 4, 5, 6, 7, 8].map(large)));
    // 1.4 MB each.
    expect(few.sizes).toEqual([4, 3, 1]);
  });

  it('are written no more when one batch failed', async () => {
    const failing = recorder(2);
    await expect(
      load(
        failing.writer,
        volume([
          ...filler(100),
          ...filler(9000).map((one) => one.replace('"f', '"g')),
          ...filler(20_000).map((one) => one.replace('"f', '"h')),
        ]),
      ),
    ).rejects.toThrow('full');
    expect([failing.sizes.length, failing.busy()]).toEqual([2, 0]);
  });
});
