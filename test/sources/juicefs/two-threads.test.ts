import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { DatabaseSync } from 'node:sqlite';
import { Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { loadDigest, sumDigests } from '../../../src/backup/digest.ts';
import type { BackupId } from '../../../src/backup/types.ts';
import { dumpInto } from '../../../src/local/direct.ts';
import { type JuicefsAddress, pathOf, tablePrefixOf } from '../../../src/sources/juicefs/address.ts';
import { type Place, sampleNames } from '../../../src/sources/juicefs/engines/sql-cuts.ts';
import { sqlReader } from '../../../src/sources/juicefs/engines/sql-reader.ts';
import { holdWriters, openSqlite } from '../../../src/sources/juicefs/engines/sqlite.ts';
import { textBuffer } from '../../../src/sources/juicefs/format/text-buffer.ts';
import { cutAt } from '../../../src/sources/juicefs/read/cuts.ts';
import { openStretch, type Stretch } from '../../../src/sources/juicefs/read/document.ts';
import { volume } from '../../../src/sources/juicefs/read/plan.ts';
import { entryDigest } from '../../../src/sources/juicefs/read/rows.ts';
import { digestSink } from '../../../src/sources/juicefs/read/segments.ts';
import { headText } from '../../../src/sources/juicefs/read/stream.ts';
import { type OtherThread, readByTwo, startThread } from '../../../src/sources/juicefs/read/two-threads.ts';
import { juicefsSource } from '../../../src/sources/juicefs/source.ts';
import { asJuicefsWrites, filledEngine, fixture, services } from './harness.ts';

const fileOf = async () => {
  const address = await filledEngine('sqlite');
  return { address, place: { path: pathOf(address, services.temporary), prefix: tablePrefixOf(address) } };
};

/** Changes all nodes at once, over and over. */
const WRITER = `
const { DatabaseSync } = require('node:sqlite');
const database = new DatabaseSync(process.argv[1], { timeout: 10_000 });
database.exec('PRAGMA synchronous = OFF');
setInterval(() => { database.exec('UPDATE jfs_node SET uid = uid + 1'); process.stdout.write('.'); }, 2);
`;

const textOfCommand = async (address: JuicefsAddress): Promise<string> => {
  const texts: Buffer[] = [];
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      texts.push(Buffer.from(chunk));
      done();
    },
  });
  await dumpInto(juicefsSource(address, services), out, {
    backup: '20261121T020000Z-abcd' as BackupId,
    report: () => {},
    signal: new AbortController().signal,
  });
  return Buffer.concat(texts).toString();
};

/** The trees as two threads read them in so many stretches, and how many names each thread had. */
const byTwo = async (count: number) => {
  const { address, place } = await fileOf();
  const session = openSqlite(place);
  const other = await startThread(place);
  try {
    await holdWriters(place.path, () => Promise.all([session.beginReading(), other.begin()]));
    const reader = await sqlReader(session, await session.tables());
    const digest = entryDigest(await loadDigest());
    const stretches = cutAt(await sampleNames(session, count), volume(false));
    const read = readByTwo(reader, stretches, ({ root, tree }) => digestSink(digest, root, tree), other);
    const texts: Uint8Array[] = [Buffer.from(headText(address, await reader.head()))];
    let entries = 0;
    for await (const one of read.texts()) {
      texts.push(Buffer.from(one.text));
      entries += one.entries;
      read.giveBack(one.text);
    }
    const [own, theirs] = [digest.end(), await other.finish()];
    return { text: Buffer.concat(texts).toString(), entries, stretches, own, theirs };
  } finally {
    await other.stop();
    await session.close();
  }
};

describe('a volume that two threads read', () => {
  it.each([1, 2, 12, 300])('in stretches, of which there are up to %d a tree, is one document', async (count) => {
    const { text, entries, own, theirs, stretches } = await byTwo(count);
    expect(asJuicefsWrites(text)).toBe(fixture('sqlite.json').toString());
    expect(entries).toBe(106);
    expect(stretches.length).toBeGreaterThanOrEqual(count === 300 ? 100 : count);
    expect(sumDigests([own, theirs])[0]?.rows).toBe('107');
    if (count > 1) expect(Number(theirs.rows)).toBeGreaterThan(0);
  });

  it('is cut anywhere into stretches that are whole together', async () => {
    const { place } = await fileOf();
    const session = openSqlite(place);
    try {
      await session.beginReading();
      const reader = await sqlReader(session, await session.tables());
      const places = await sampleNames(session, 300);
      const out = textBuffer();
      const textOf = async (some: readonly Place[]): Promise<string> => {
        const texts: Uint8Array[] = [];
        for (const stretch of cutAt(some, volume(false))) {
          const read = openStretch(reader, stretch, undefined, out);
          for (let text = await read.next(); text !== undefined; text = await read.next()) texts.push(Buffer.from(text));
        }
        return Buffer.concat(texts).toString();
      };
      const whole = await textOf([]);
      await fc.assert(
        fc.asyncProperty(fc.shuffledSubarray([...places]), async (some) => {
          expect(await textOf(some)).toBe(whole);
        }),
        { numRuns: 20 },
      );
    } finally {
      await session.close();
    }
  });

  it('is dumped so by the command where it is large, at one instant, whatever a writer does meanwhile', async () => {
    const { address, place } = await fileOf();
    const database = new DatabaseSync(place.path);
    database.exec(
      `PRAGMA journal_mode = WAL; UPDATE jfs_node SET uid = 0; UPDATE jfs_counter SET value = 400000 WHERE name = 'totalInodes'`,
    );
    const writer = spawn(process.execPath, ['-e', WRITER, place.path], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const seen = new Set<string>();
      for (let i = 0; i < 3; i++) {
        await once(writer.stdout, 'data');
        const text = await textOfCommand(address);
        const owners = new Set(text.slice(text.indexOf('"FSTree"')).match(/"uid":\d+/g));
        expect(owners.size).toBe(1);
        seen.add([...owners].join());
        expect(text.match(/"attr"/g)?.length).toBe(
          fixture('sqlite.json')
            .toString()
            .match(/"attr"/g)?.length,
        );
      }
      // Else nobody wrote, and nothing was shown.
      expect(seen.size).toBeGreaterThan(1);
    } finally {
      writer.kill('SIGKILL');
      database.close();
    }
  });

  it('is byte for byte what juicefs writes when the command dumps it so', async () => {
    const { address, place } = await fileOf();
    const database = new DatabaseSync(place.path);
    const used = database.prepare(`SELECT value FROM jfs_counter WHERE name = 'totalInodes'`).get()?.['value'];
    database.exec(`UPDATE jfs_counter SET value = 400000 WHERE name = 'totalInodes'`);
    database.close();
    const text = (await textOfCommand(address)).replace('"usedInodes": 400000', `"usedInodes": ${used}`);
    expect(asJuicefsWrites(text)).toBe(fixture('sqlite.json').toString());
  });

  it('fails by name when the other thread does, and ends', async () => {
    const { place } = await fileOf();
    const other = await startThread(place);
    const session = openSqlite(place);
    try {
      await Promise.all([session.beginReading(), other.begin()]);
      const reader = await sqlReader(session, await session.tables());
      const lost: Stretch = {
        ...(cutAt([], volume(true))[0] as Stretch),
        last: { parent: 1n, name: Buffer.from('there is no such name') },
      };
      const [rest] = cutAt([], volume(true));
      const read = readByTwo(reader, [rest as Stretch, lost], () => ({ root: () => {}, entry: () => {} }), other);
      await expect(Array.fromAsync(read.texts())).rejects.toMatchObject({ name: 'SourceChanged' });
    } finally {
      await other.stop();
      await session.close();
    }
  });

  it('fails by name when the other thread is gone', async () => {
    const { place } = await fileOf();
    const other = await startThread(place);
    await other.stop();
    await expect(other.begin()).rejects.toMatchObject({ name: 'FunctionKilled' });
  });

  it('fails by name when the other thread finds no file', async () => {
    const other = await startThread({ path: '/nowhere/volume.db', prefix: 'jfs_' });
    await expect(other.begin()).rejects.toMatchObject({ name: 'NoSuchDatabase', hint: expect.stringContaining('path') });
    await other.stop();
  });

  it('ends when nobody reads on, with what it had in hand given up', async () => {
    const { place } = await fileOf();
    const session = openSqlite(place);
    await session.beginReading();
    const reader = await sqlReader(session, await session.tables());
    const read = vi.fn<OtherThread['read']>();
    const other: OtherThread = {
      begin: async () => {},
      read,
      giveBack: () => {},
      finish: () => Promise.reject(new Error('nobody asks')),
      listen: () => {},
      stop: async () => {},
    };
    const stretches = cutAt(await sampleNames(session, 12), volume(false));
    for await (const _ of readByTwo(reader, stretches, () => ({ root: () => {}, entry: () => {} }), other).texts()) break;
    expect(read.mock.calls.map(([number]) => number)).toEqual([1, 2]);
    await session.close();
  });

  it('is read at one instant: who writes waits until both have begun', async () => {
    const { place } = await fileOf();
    const writer = openSqlite(place);
    try {
      const held = await holdWriters(place.path, async () => {
        await expect(writer.run('PRAGMA busy_timeout = 1; BEGIN IMMEDIATE', 'writing')).rejects.toMatchObject({ name: 'SourceBusy' });
      });
      expect(held).toBe(true);
      await writer.run('BEGIN IMMEDIATE', 'writing');
      expect(await holdWriters(place.path, () => Promise.reject(new Error('was done')))).toBe(false);
    } finally {
      await writer.close();
    }
  });
});
