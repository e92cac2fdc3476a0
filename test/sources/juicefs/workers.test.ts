/** One instant for several workers: the copy of a SQLite file, the lanes of MariaDB, the snapshots of PostgreSQL. */
import { readdirSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { memoryClaims } from '../../../src/backup/claims.ts';
import { sumDigests } from '../../../src/backup/digest.ts';
import { backupId } from '../../../src/backup/id.ts';
import type { ClassDigest, Json, PointInTime, Segment } from '../../../src/backup/types.ts';
import type { Cursor, TaskContext } from '../../../src/sources/contract.ts';
import { joinMysqlLanes } from '../../../src/sources/engines.ts';
import type { JuicefsAddress } from '../../../src/sources/juicefs/address.ts';
import { openSql } from '../../../src/sources/juicefs/engines/open.ts';
import { juicefsSource, type SourceOptions } from '../../../src/sources/juicefs/source.ts';
import { asJuicefsWrites, dumpOf, emptyEngine, filledEngine, fixture, loadInto, missing, services, temporary, treesOf } from './harness.ts';

interface Dumped {
  readonly text: string;
  readonly tasks: readonly Json[];
  readonly digests: readonly ClassDigest[];
  readonly segments: number;
  readonly facts: readonly Json[];
}

interface Driving {
  readonly concurrency: number;
  readonly taskEntries: number;
  /** Invocations end after their first piece of work. */
  readonly hasty?: boolean;
  readonly instants?: readonly PointInTime[];
  /** Run once all is planned, before the first task. */
  readonly planned?: () => Promise<void>;
}

let backups = 0;

/** All tasks at the same time, each over its own sessions, as functions would. */
const dumpByWorkers = async (address: JuicefsAddress, how: Driving): Promise<Dumped> => {
  const options: SourceOptions = { taskEntries: how.taskEntries, joinLanes: async () => joinMysqlLanes };
  const source = juicefsSource(address, services, options);
  const backup = backupId(new Date(), `${process.pid}-${++backups}`);
  const release = new AbortController();
  const published: PointInTime[] = [...(how.instants ?? [])];
  const opened = Promise.withResolvers<void>();
  const holding = source.hold?.(
    {
      instants: async () => [],
      publish: async (at) => {
        published.push(at);
        opened.resolve();
      },
    },
    { remaining: () => 60_000, signal: release.signal },
  );
  if (source.open !== undefined) published.push(await source.open(backup));
  else await Promise.race([opened.promise, holding]);
  const texts = new Map<string, Buffer>();
  const shared = {
    input: { kind: 'backup', backup, facts: await source.inspect() } as const,
    read: {
      read: () => {
        throw new Error('nothing is read');
      },
    },
    receipts: async function* () {},
    instants: async () => published,
    concurrency: how.concurrency,
  };
  const budget = { remaining: () => (how.hasty === true ? 0 : 600_000), signal: new AbortController().signal };
  try {
    const tasks = (await Array.fromAsync(source.dump.plan({ ...shared, budget: { ...budget, remaining: () => 600_000 } }))).map(
      ({ task }) => task,
    );
    await how.planned?.();
    const claims = memoryClaims();
    const digests: ClassDigest[] = [];
    const facts: Json[] = [];
    await Promise.all(
      tasks.map(async (task, index) => {
        const context: TaskContext = {
          ...shared,
          budget,
          task: index,
          claims: claims(index),
          progress: () => {},
          write: {
            async write(ordinal, raw) {
              if (texts.has(ordinal)) throw new Error(`two segments have the place ${ordinal}`);
              texts.set(ordinal, Buffer.concat(await Array.fromAsync(raw)));
              return { ordinal } as Segment;
            },
          },
        };
        let resume: Cursor | undefined;
        do {
          const part = await source.dump.run(task, context, resume);
          digests.push(...part.digests);
          facts.push(part.facts ?? null);
          resume = part.next?.cursor;
        } while (resume !== undefined);
      }),
    );
    const text = [...texts.keys()].sort().map((ordinal) => (texts.get(ordinal) as Buffer).toString());
    return { text: text.join(''), tasks, digests: sumDigests(digests), segments: texts.size, facts };
  } finally {
    release.abort();
    await holding?.catch(() => {});
    await source.close(published.at(-1) as PointInTime);
  }
};

const wholeDigests = async (address: JuicefsAddress) => (await dumpByWorkers(address, { concurrency: 1, taskEntries: 1_000_000 })).digests;

const ENGINES = (['sqlite', 'postgres', 'mysql'] as const).filter((engine) => missing(engine) === undefined);

describe.each(ENGINES)('workers of a volume on %s', (engine) => {
  it.each([1, 7, 53])('write one document between them, in stretches of %d names', async (taskEntries) => {
    const address = await filledEngine(engine);
    const done = await dumpByWorkers(address, { concurrency: 3, taskEntries });
    expect(asJuicefsWrites(done.text)).toBe(fixture(`${engine}.json`).toString());
    expect(done.digests).toEqual(await wholeDigests(address));
    if (taskEntries < 40) expect(done.tasks.length).toBeGreaterThan(2);
  });

  it('see one instant, whoever writes meanwhile', async () => {
    const address = await emptyEngine(engine);
    await loadInto(address, renamable(120));
    const writer = await openSql(address, services, false);
    let stop = false;
    let renames = 0;
    // Files go from x to y and back, each time in a transaction of its own: at any instant there are 120 of them.
    const writing = (async () => {
      const { dialect } = writer;
      for (let i = 0; !stop; i = (i + 1) % 120) {
        const to = (Math.floor(renames / 120) + 1) % 2 === 0 ? 2 : 3;
        await writer.run(`UPDATE ${dialect.table('edge')} SET parent = ${to} WHERE inode = ${100 + i}`, 'renaming');
        renames++;
        if (i % 10 === 0) await sleep(1);
      }
    })();
    try {
      for (let round = 0; round < 2; round++) {
        const before = renames;
        const { text } = await dumpByWorkers(address, { concurrency: 3, taskEntries: 10, planned: () => sleep(30) });
        expect(renames, 'the writer was stopped by the backup').toBeGreaterThan(before);
        const inodes = [...text.matchAll(/"inode":(\d\d\d),"type":"regular"/g)].map(([, inode]) => inode);
        expect([inodes.length, new Set(inodes).size]).toEqual([120, 120]);
        const target = await emptyEngine('sqlite');
        expect((await loadInto(target, text)).rows).toBe('122');
      }
    } finally {
      stop = true;
      await writing;
      await writer.close();
    }
  }, 30_000);
});

describe('the copy of a SQLite file', () => {
  it('is gone when the backup is over, and what died is removed after a day', async () => {
    const address = await filledEngine('sqlite');
    const copies = (): string[] => readdirSync(temporary).filter((name) => name.startsWith('lifeboat-copy-'));
    await dumpByWorkers(address, { concurrency: 2, taskEntries: 5, planned: async () => expect(copies()).toHaveLength(1) });
    expect(copies()).toEqual([]);
    await expect(
      dumpByWorkers(address, {
        concurrency: 2,
        taskEntries: 5,
        planned: async () => {
          throw new Error('died');
        },
      }),
    ).rejects.toThrow('died');
    expect(copies()).toEqual([]);
    new DatabaseSync(`${temporary}/lifeboat-copy-old.db`).close();
    const later = { ...services, now: () => new Date(Date.now() + 25 * 3600 * 1000) };
    const no = async (): Promise<boolean> => false;
    expect(await juicefsSource(address, services).tidy?.(no)).toEqual([]);
    expect(await juicefsSource(address, later).tidy?.(no)).toEqual(['lifeboat-copy-old.db']);
    new DatabaseSync(`${temporary}/lifeboat-copy-ended.db`).close();
    expect(await juicefsSource(address, services).tidy?.(async (backup) => backup === 'ended')).toEqual(['lifeboat-copy-ended.db']);
    expect(copies()).toEqual([]);
  });

  it('that is not there ends the backup by name', async () => {
    const address = await filledEngine('sqlite');
    const source = juicefsSource(address, services, { taskEntries: 5 });
    const context = { instants: async () => [{ consistency: 'snapshot', at: '', token: { copy: 'gone' } }] } as unknown as TaskContext;
    await expect(source.dump.run({ kind: 'head' }, context)).rejects.toMatchObject({ name: 'InstantLost' });
  });

  it('lets a task go on in another invocation, as often as it takes', async () => {
    const address = await filledEngine('sqlite');
    const done = await dumpByWorkers(address, { concurrency: 2, taskEntries: 30, hasty: true });
    expect(asJuicefsWrites(done.text)).toBe(fixture('sqlite.json').toString());
  });
});

describe('a snapshot of PostgreSQL', () => {
  it('that no longer lives is passed over for one that does', async () => {
    const address = await filledEngine('postgres');
    const dead: PointInTime = { consistency: 'snapshot', at: '2026-11-21T00:00:00Z', token: { snapshot: '00000003-00000000-1' } };
    const done = await dumpByWorkers(address, { concurrency: 2, taskEntries: 30, instants: [dead] });
    expect(asJuicefsWrites(done.text)).toBe(fixture('postgres.json').toString());
  });
});

describe.skipIf(missing('mysql') !== undefined)('lanes of MariaDB', () => {
  it('are as many as there is work for, and none where the user may not lock', async () => {
    const address = await filledEngine('mysql');
    const kinds = async (taskEntries: number, concurrency: number, as: JuicefsAddress = address) =>
      (await dumpByWorkers(as, { concurrency, taskEntries })).tasks.map((task) => (task as { kind: string }).kind);
    expect(await kinds(1000, 4)).toEqual(['volume']);
    expect(await kinds(30, 1)).toEqual(['volume']);
    expect(await kinds(30, 2)).toEqual(['lane', 'lane']);
    const session = await openSql(address, services, false);
    const user = `reader_${address.database}`;
    await session.run(`CREATE USER ${user}`, 'making a user');
    await session.run(`GRANT SELECT ON ${address.database}.* TO ${user}`, 'making a user');
    await session.close();
    expect(await kinds(30, 2, { ...address, user, inlinePassword: undefined })).toEqual(['volume']);
    expect(treesOf(await dumpOf(address))).toContain('FSTree');
  });
});

/** Two folders, one of them with so many files of the inodes from 100 on. */
const renamable = (many: number): string => {
  const file = (i: number): string =>
    `"f${String(i).padStart(4, '0')}":{"attr":{"inode":${100 + i},"type":"regular","mode":420,"uid":0,"gid":0,"nlink":1,"length":0}}`;
  const folder = (inode: number, entries: string): string =>
    `{"attr":{"inode":${inode},"type":"directory","mode":493,"uid":0,"gid":0,"nlink":2,"length":0},"entries":{${entries}}}`;
  const files = Array.from({ length: many }, (_, i) => file(i)).join(',');
  return `{"Setting":{"Name":"v","UUID":"u","TrashDays":0},"Counters":{},"FSTree":${folder(1, `"x":${folder(2, files)},"y":${folder(3, '')}`)}}`;
};
