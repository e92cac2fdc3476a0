import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDigest } from '../../../src/backup/digest.ts';
import { objectsBelow } from '../../../src/backup/pool.ts';
import type { Services } from '../../../src/sources/contract.ts';
import type { JuicefsAddress } from '../../../src/sources/juicefs/address.ts';
import { openRedis, type RedisSession } from '../../../src/sources/juicefs/engines/redis.ts';
import { openCopy } from '../../../src/sources/juicefs/engines/redis-copy.ts';
import { copyReader } from '../../../src/sources/juicefs/engines/redis-copy-reader.ts';
import { type HowRead, openRedisInstant } from '../../../src/sources/juicefs/engines/redis-instant.ts';
import { copyByScan } from '../../../src/sources/juicefs/engines/redis-scan-copy.ts';
import { openParser } from '../../../src/sources/juicefs/format/parse.ts';
import { streamDump } from '../../../src/sources/juicefs/read/stream.ts';
import { memoryStore } from '../../../src/stores/memory.ts';
import {
  addressOf,
  asJuicefsWrites,
  emptyEngine,
  FIXTURES,
  filledEngine,
  fixture,
  loadInto,
  missing,
  services,
  temporary,
} from './harness.ts';

const reason = missing('redis');
const suite = describe.skipIf(reason !== undefined);
const skipped = reason === undefined ? '' : ` (skipped: ${reason})`;

interface Dumped {
  readonly text: string;
  readonly how: HowRead;
}

/** `midway` runs once the instant is there, or the walk has begun. */
const dump = async (
  address: JuicefsAddress,
  { midway, use = services }: { midway?: () => Promise<void>; use?: Services } = {},
): Promise<Dumped> => {
  const instant = await openRedisInstant(address, use);
  try {
    const pieces: Uint8Array[] = [];
    let once = midway;
    for await (const piece of streamDump(address, instant.reader, await loadDigest()).bytes) {
      pieces.push(piece);
      await once?.();
      once = undefined;
    }
    return { text: Buffer.concat(pieces).toString(), how: await instant.end() };
  } finally {
    await instant.reader.close();
  }
};

const sessionOf = (address: JuicefsAddress): Promise<RedisSession> =>
  openRedis({
    host: address.host,
    port: address.port ?? 0,
    database: Number(address.database),
    user: undefined,
    password: undefined,
    tls: false,
    prefix: '',
  });

const original = reason === undefined ? fixture('redis.json').toString() : '';

suite(`a volume on redis, read in each way${skipped}`, () => {
  let address: JuicefsAddress;
  let session: RedisSession;
  beforeAll(async () => {
    address = await filledEngine('redis');
    session = await sessionOf(address);
  });
  afterAll(async () => {
    await session.call('CONFIG', 'SET', 'save', '');
    await session.close();
  });

  it.each([
    ['without a file on the server', ''],
    ['by way of a file of the server', '3600 1'],
  ])('by replication %s is a snapshot', async (_name, save) => {
    await session.call('CONFIG', 'SET', 'save', save);
    const { text, how } = await dump(address);
    expect(asJuicefsWrites(text)).toBe(original);
    expect(how).toMatchObject({
      way: 'replication',
      consistency: 'snapshot',
      why: null,
      changes: 'none',
      rdb: { replId: expect.stringMatching(/^[0-9a-f]{40}$/) },
    });
    expect(Math.abs(Date.now() - Date.parse(how.at))).toBeLessThan(60_000);
  });

  it('by a scan is quiesced when nothing changed', async () => {
    const { text, how } = await dump({ ...address, read: 'scan' });
    expect(asJuicefsWrites(text)).toBe(original);
    expect(how).toMatchObject({ way: 'scan', consistency: 'quiesced', repaired: 0 });
  });

  it('by a walk is quiesced when nothing changed, and fuzzy when anything did', async () => {
    const { text, how } = await dump({ ...address, read: 'walk' });
    expect(asJuicefsWrites(text)).toBe(original);
    expect(how).toMatchObject({ way: 'walk', consistency: 'quiesced' });
    const written = await dump({ ...address, read: 'walk' }, { midway: async () => void (await session.call('SET', 'elsewhere', '1')) });
    expect(written.how).toMatchObject({
      way: 'walk',
      consistency: 'fuzzy',
      changes: expect.stringContaining('rdb_changes_since_last_save'),
    });
    await session.call('DEL', 'elsewhere');
  });

  it.each([
    ['everything is small', { 'hash-max-listpack-entries': '512', 'list-max-listpack-size': '-2', 'zset-max-listpack-entries': '128' }],
    [
      'nothing is small',
      { 'hash-max-listpack-entries': '0', 'list-max-listpack-size': '1', 'zset-max-listpack-entries': '0', 'set-max-intset-entries': '0' },
    ],
    ['nothing is compressed', { rdbcompression: 'no' }],
  ])('is the same where %s', async (_name, settings: Record<string, string>) => {
    for (const [name, value] of Object.entries(settings)) await session.call('CONFIG', 'SET', name, value);
    const again = await filledEngine('redis');
    const { text, how } = await dump(again);
    expect(asJuicefsWrites(text)).toBe(original);
    expect(how.way).toBe('replication');
  });

  it('falls back to a scan where replication is not allowed, and says why', async () => {
    await session.call('ACL', 'SETUSER', 'reader', 'on', '>secret', '~*', '&*', '+@all', '-psync', '-sync', '-replconf');
    const limited: JuicefsAddress = { ...address, user: 'reader', inlinePassword: 'secret' };
    const { text, how } = await dump(limited);
    expect(asJuicefsWrites(text)).toBe(original);
    expect(how).toMatchObject({ way: 'scan', consistency: 'quiesced', why: expect.stringContaining('NOPERM') });
    await expect(dump({ ...limited, read: 'replication' })).rejects.toMatchObject({ name: 'PermissionDenied' });
    await expect(dump({ ...limited, inlinePassword: 'wrong' })).rejects.toMatchObject({ name: 'LoginFailed' });
  });
});

suite(`an RDB file${skipped}`, () => {
  const path = join(FIXTURES, 'state/redis-db1.rdb');

  it('is a snapshot of when it was written', async () => {
    const { text, how } = await dump(addressOf(`juicefs+rdb://${path}?db=1`));
    expect(asJuicefsWrites(text)).toBe(original);
    expect(how).toMatchObject({
      way: 'file',
      consistency: 'snapshot',
      at: '2026-11-21T02:29:18.000Z',
      rdb: { version: 10, server: '7.0.15' },
    });
  });

  it('is read from a bucket: an object, or the newest below a prefix', async () => {
    const objects = objectsBelow(memoryStore(), '');
    const use: Services = { ...services, openObjects: async (url) => (expect(url).toBe('s3://bucket/exports'), objects) };
    await objects.create('old.rdb', Buffer.from('REDIS0011'));
    await sleep(5);
    await objects.create('volume-0001.rdb', readFileSync(path));
    await objects.create('volume-0001.txt', Buffer.from('no RDB'));
    for (const name of ['volume-0001.rdb', '']) {
      const { text } = await dump(addressOf(`juicefs+rdb+s3://bucket/exports/${name}?db=1`), { use });
      expect(asJuicefsWrites(text)).toBe(original);
    }
    await expect(dump(addressOf('juicefs+rdb+s3://bucket/exports/none.rdb?db=1'), { use })).rejects.toMatchObject({ name: 'NoSuchObject' });
  });

  it('is refused by name: not there, another database, another file, and as a target', async () => {
    await expect(dump(addressOf('juicefs+rdb:///nowhere/dump.rdb'))).rejects.toMatchObject({ name: 'NoSuchObject' });
    await expect(dump(addressOf(`juicefs+rdb://${path}?db=2`))).rejects.toMatchObject({ name: 'SourceProblem' });
    await expect(dump(addressOf(`juicefs+rdb://${pathToFileURL(join(FIXTURES, 'redis.json')).pathname}?db=1`))).rejects.toMatchObject({
      name: 'ArtifactInvalid',
    });
    await expect(loadInto(addressOf(`juicefs+rdb://${path}?db=1`), original)).rejects.toMatchObject({ name: 'Unsupported' });
  });
});

suite(`a folder of more names than one piece${skipped}`, () => {
  /** More than a folder's row holds, and than a hash that is read at once. */
  const NAMES = 20_500;

  it('is the same by replication and by a scan', { timeout: 120_000 }, async () => {
    const address = await emptyEngine('redis');
    const names = Array.from(
      { length: NAMES },
      (_, i) => `"f${i}":{"attr":{"inode":${i + 2},"type":"regular","mode":420,"uid":0,"gid":0,"nlink":1,"length":0}}`,
    );
    await loadInto(
      address,
      `{"Setting":{"Name":"v","UUID":"u","Storage":"file","Bucket":"/b/","BlockSize":4096},"Counters":{"nextInodes":1,"nextChunk":1},"FSTree":{"attr":{"inode":1,"type":"directory","mode":511,"uid":0,"gid":0,"nlink":2,"length":0},"entries":{${names.join(',')}}}}`,
      { size: 1024 * 1024 },
    );
    const replicated = await dump(address);
    const scanned = await dump({ ...address, read: 'scan' });
    expect(replicated.how.way).toBe('replication');
    expect(filesIn(replicated.text)).toHaveLength(NAMES);
    expect(scanned.text === replicated.text).toBe(true);
  });
});

const FOLDERS = 40;
const FILES = 50;

/** Folders 2…, each with the same number of files. */
const manyFiles = (): string => {
  const attr = (inode: number, type: string): string =>
    `"attr":{"inode":${inode},"type":"${type}","mode":420,"uid":0,"gid":0,"nlink":1,"length":0}`;
  const folders = Array.from({ length: FOLDERS }, (_, folder) => {
    const files = Array.from({ length: FILES }, (_, i) => `"f${folder}-${i}":{${attr(1000 + folder * FILES + i, 'regular')}}`);
    return `"d${folder}":{${attr(2 + folder, 'directory')},"entries":{${files.join(',')}}}`;
  });
  return `{"Setting":{"Name":"v","UUID":"u","Storage":"file","Bucket":"/b/","BlockSize":4096},"Counters":{"nextInodes":1,"nextChunk":1},"FSTree":{${attr(1, 'directory')},"entries":{${folders.join(',')}}}}`;
};

/** Moves files between folders, each in a transaction, as juicefs does, until it is told to stop. */
const mover = (session: RedisSession, pauseMs: number) => {
  let stop = false;
  let moves = 0;
  const run = async (): Promise<void> => {
    const at = new Map(Array.from({ length: FOLDERS * FILES }, (_, i) => [i, Math.floor(i / FILES)]));
    for (let i = 0; !stop; i++) {
      const file = (i * 7919) % (FOLDERS * FILES);
      const from = at.get(file) ?? 0;
      const to = (from + 1 + (i % (FOLDERS - 1))) % FOLDERS;
      const name = `f${Math.floor(file / FILES)}-${file % FILES}`;
      const edge = Buffer.alloc(9, 1);
      edge.writeBigUInt64BE(BigInt(1000 + file), 1);
      await session.pipeline([['MULTI'], ['HDEL', `d${2 + from}`, name], ['HSET', `d${2 + to}`, name, edge], ['INCR', 'moves'], ['EXEC']]);
      at.set(file, to);
      moves += 1;
      if (pauseMs > 0) await sleep(pauseMs);
    }
  };
  const running = run();
  return {
    moves: () => moves,
    end: async () => {
      stop = true;
      await running;
    },
  };
};

/** Inodes of files in the order of a dump; each must be there once. */
const filesIn = (text: string): bigint[] => {
  const found: bigint[] = [];
  const parser = openParser(
    { at: 'document' },
    { field: () => {}, root: () => {}, entry: ({ attr }) => attr.type === 1 && found.push(attr.inode) },
  );
  parser.push(Buffer.from(text));
  parser.end();
  return found;
};

suite(`a volume on redis that is written to while it is dumped${skipped}`, () => {
  let address: JuicefsAddress;
  let session: RedisSession;
  let writer: RedisSession;
  beforeAll(async () => {
    address = await emptyEngine('redis');
    await loadInto(address, manyFiles());
    session = await sessionOf(address);
    writer = await sessionOf(address);
    // Keys that no dump needs make a scan long enough to be written into.
    await session.pipeline(Array.from({ length: 40_000 }, (_, i) => ['SET', `unrelated${i}`, '1'] as const));
  });
  afterAll(async () => {
    await session.close();
    await writer.close();
  });

  const dumpWhile = async (
    read: JuicefsAddress['read'],
    pauseMs: number,
    login: Partial<JuicefsAddress> = {},
  ): Promise<Dumped & { readonly moves: number }> => {
    const moving = mover(writer, pauseMs);
    while (moving.moves() === 0) await sleep(1);
    const before = moving.moves();
    const dumped = await dump({ ...address, ...login, read });
    const moves = moving.moves() - before;
    await moving.end();
    return { ...dumped, moves };
  };

  const eachOnce = (text: string): void => {
    const files = filesIn(text);
    expect(files).toHaveLength(FOLDERS * FILES);
    expect(new Set(files).size).toBe(FOLDERS * FILES);
  };

  it('is one instant by replication: each file has one place', async () => {
    const { text, how, moves } = await dumpWhile('auto', 0);
    expect(moves).toBeGreaterThan(10);
    expect(how).toMatchObject({ way: 'replication', consistency: 'snapshot' });
    eachOnce(text);
  });

  it('is one instant by a scan, once what changed was read again', async () => {
    const { text, how, moves } = await dumpWhile('scan', 3);
    expect(moves).toBeGreaterThan(5);
    expect(how).toMatchObject({ way: 'scan', consistency: 'quiesced' });
    expect(how.repaired).toBeGreaterThan(0);
    eachOnce(text);
  });

  it('is fuzzy by a scan that it never leaves time to catch up, or one instant: never wrong and said to be right', async () => {
    const { text, how, moves } = await dumpWhile('scan', 0);
    expect(moves).toBeGreaterThan(10);
    expect(['quiesced', 'fuzzy']).toContain(how.consistency);
    if (how.consistency === 'quiesced') eachOnce(text);
    else expect(how.changes).toMatch(/^\d+ keys/);
  });

  it('is fuzzy by a scan where the server does not tell which keys changed', async () => {
    await session.call('ACL', 'SETUSER', 'simple', 'on', '>secret', '~*', '&*', '+@all', '-client|tracking');
    const { how } = await dumpWhile('scan', 0, { user: 'simple', inlinePassword: 'secret' });
    expect(how).toMatchObject({ way: 'scan', consistency: 'fuzzy', changes: expect.stringContaining('rdb_changes_since_last_save') });
  });

  it('is fuzzy by a walk', async () => {
    const { how } = await dumpWhile('walk', 0);
    expect(how).toMatchObject({ way: 'walk', consistency: 'fuzzy' });
    expect(how.changes).toContain('rdb_changes_since_last_save');
  });
});

suite(`a wide folder that changes under a scan${skipped}`, () => {
  /** Reads with a limit that the root of the fixture is above, while `write` runs at each step. */
  const scan = async (write: (session: RedisSession) => Promise<void>) => {
    const address = await filledEngine('redis');
    const [session, other] = [await sessionOf(address), await sessionOf(address)];
    const copy = openCopy(join(temporary, `wide-${address.database}.db`));
    const commands: string[] = [];
    const watched: RedisSession = {
      ...session,
      async call(...command) {
        commands.push(command[0]);
        const reply = await session.call(...command);
        if (command[0] === 'SCAN') await write(other);
        return reply;
      },
      async pipeline(all) {
        const isTransaction = all[0]?.[0] === 'MULTI';
        if (isTransaction) commands.push(...all.map(([name]) => name));
        const replies = await session.pipeline(all);
        if (!isTransaction) await write(other);
        return replies;
      },
    };
    const place = {
      host: address.host,
      port: address.port ?? 0,
      database: Number(address.database),
      user: undefined,
      password: undefined,
      tls: false,
      prefix: '',
    };
    try {
      const result = await copyByScan(watched, place, copy, { now: () => new Date(), signal: undefined, elementsMax: 3 });
      const reader = await copyReader(copy);
      const [page] = await reader.pages([{ directory: 1n, after: undefined, limit: 1000 }]);
      await reader.close();
      return { result, commands, names: page?.edges.map(({ name }) => Buffer.from(name).toString('latin1')) ?? [] };
    } finally {
      await session.close();
      await other.close();
    }
  };
  const edge = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 2]);

  it('is read again in steps, not in a transaction, and is quiesced once nothing else comes', async () => {
    let written = false;
    const { result, commands, names } = await scan(async (session) => {
      if (!written) await session.call('HSET', 'd1', 'late', edge);
      written = true;
    });
    expect(result).toMatchObject({ quiesced: true, changes: 'none' });
    expect(result.repaired).toBeGreaterThan(0);
    expect(names).toContain('late');
    expect(commands).not.toContain('HGETALL');
  });

  it('that never rests is fuzzy, and named', async () => {
    let last = 0;
    const { result } = await scan(async (session) => void (await session.call('HSET', 'd1', `late${last++}`, edge)));
    expect(result.quiesced).toBe(false);
    expect(result.changes).toMatch(/; \d+ elements changed, \d+ of them in d1: more than the 3 that are read in one transaction/);
  });
});
