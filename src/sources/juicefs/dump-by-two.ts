import { availableParallelism } from 'node:os';
import { loadDigest } from '../../backup/digest.ts';
import { ordinal } from '../../backup/ordinal.ts';
import type { Part, Services, TaskContext } from '../contract.ts';
import { type JuicefsAddress, pathOf, tablePrefixOf } from './address.ts';
import { LARGE_INODES, makeRoom } from './alone.ts';
import { dumpHead } from './dump-head.ts';
import { sampleNames } from './engines/sql-cuts.ts';
import { sqlReader } from './engines/sql-reader.ts';
import { holdWriters, openSqlite } from './engines/sqlite.ts';
import { cutAt } from './read/cuts.ts';
import { entryDigest } from './read/rows.ts';
import { digestSink } from './read/segments.ts';
import { scopeOf } from './read/stream.ts';
import { readByTwo, startThread } from './read/two-threads.ts';

/** Names of one stretch, about: far less text than a thread may hold. */
const STRETCH_NAMES = 4000n;
const STRETCHES_MAX = 1000n;

/** A volume in SQLite by two threads at one instant. Undefined where that does not pay, or where writers cannot be held for a moment. */
export const dumpByTwo = async (address: JuicefsAddress, services: Services, context: TaskContext): Promise<Part | undefined> => {
  if (availableParallelism() < 2) return undefined;
  const place = { path: pathOf(address, services.temporary), prefix: tablePrefixOf(address) };
  const session = openSqlite(place);
  try {
    const tables = await session.tables();
    const [row] = tables.has('counter') ? await session.rows(USED(session.dialect.table('counter')), 'reading counter') : [];
    const used = BigInt(row?.[0]?.toString() ?? 0);
    if (used < LARGE_INODES) return undefined;
    const starting = startThread(place);
    makeRoom(context, used);
    const other = await starting;
    try {
      const at = services.now().toISOString();
      const begin = (): Promise<unknown> => Promise.all([session.beginReading(), other.begin()]);
      if (!(await holdWriters(place.path, begin))) return undefined;
      const reader = await sqlReader(session, tables);
      const factory = await loadDigest();
      const head = await dumpHead(address, await reader.head(), context);
      const count = Number(used / STRETCH_NAMES < STRETCHES_MAX ? used / STRETCH_NAMES : STRETCHES_MAX);
      const stretches = cutAt(await sampleNames(session, count), await scopeOf(address, reader));
      const digest = entryDigest(factory);
      const read = readByTwo(reader, stretches, ({ root, tree }) => digestSink(digest, root, tree), other);
      let entries = 0;
      const texts = async function* (): AsyncGenerator<Uint8Array> {
        for await (const { text, entries: rows } of read.texts()) {
          entries += rows;
          context.progress({ rows, bytes: text.length, what: 'FSTree' });
          yield text;
        }
      };
      const as = { encoding: 'zstd', extension: 'json.zst', context: { kind: 'trees' }, recycle: read.giveBack } as const;
      const trees = await context.write.write(ordinal(context.task, 1), texts(), as);
      return {
        segments: [head.segment, trees],
        digests: [...head.digests, digest.end(), await other.finish()],
        facts: { head: head.facts, entries, at, until: services.now().toISOString() },
      };
    } finally {
      await other.stop();
    }
  } finally {
    await session.close();
  }
};

const USED = (counter: string): string => `SELECT value FROM ${counter} WHERE name = 'totalInodes'`;
