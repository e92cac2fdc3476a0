import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { objectsBelow } from '../../../src/backup/pool.ts';
import type { Json } from '../../../src/backup/types.ts';
import type { TaskContext } from '../../../src/sources/contract.ts';
import type { JuicefsAddress } from '../../../src/sources/juicefs/address.ts';
import { auditStage } from '../../../src/sources/juicefs/audit.ts';
import { blockOf, blocksOf } from '../../../src/sources/juicefs/blocks/keys.ts';
import { lookForBlocks, sampleSlices } from '../../../src/sources/juicefs/blocks/sample.ts';
import { storageOf } from '../../../src/sources/juicefs/blocks/storage.ts';
import { openSql } from '../../../src/sources/juicefs/engines/open.ts';
import type { SqlSession } from '../../../src/sources/juicefs/engines/sql.ts';
import { sqlSlices } from '../../../src/sources/juicefs/engines/sql-slices.ts';
import { settingOf } from '../../../src/sources/juicefs/format/setting.ts';
import { hashOfTrees } from '../../../src/sources/juicefs/vendor/dump.ts';
import { openStore } from '../../../src/stores/open.ts';
import { budget, derivedInSql } from './derived.ts';
import { emptyEngine, fixture, loadInto, missing, services, temporary } from './harness.ts';

const ENGINES = (['sqlite', 'postgres', 'mysql'] as const).filter((engine) => missing(engine) === undefined);
const volumes = new Map<string, JuicefsAddress>();

beforeAll(async () => {
  for (const engine of ENGINES) {
    const address = await emptyEngine(engine);
    await loadInto(address, fixture('redis.json'));
    volumes.set(engine, address);
  }
}, 60_000);

const withVolume = async <Result>(engine: string, use: (session: SqlSession) => Promise<Result>): Promise<Result> => {
  const session = await openSql(volumes.get(engine) as JuicefsAddress, services, false);
  try {
    return await use(session);
  } finally {
    await session.close();
  }
};

/** A damage that no digest of content sees, and the checks that it must fail. */
const DAMAGES: readonly (readonly [what: string, sql: (session: SqlSession) => string, fails: readonly string[]])[] = [
  [
    'a number of links',
    ({ dialect }) =>
      `UPDATE ${dialect.table('node')} SET nlink = nlink + 1 WHERE type = 1 AND inode = (SELECT m FROM (SELECT MIN(inode) AS m FROM ${dialect.table('node')} WHERE type = 1) q)`,
    ['links of files that are not counted'],
  ],
  [
    'links of a folder',
    ({ dialect }) => `UPDATE ${dialect.table('node')} SET nlink = 77 WHERE inode = 1`,
    ['links of directories that are not counted'],
  ],
  [
    'a parent',
    ({ dialect }) =>
      `UPDATE ${dialect.table('node')} SET parent = 1 WHERE inode = (SELECT i FROM (SELECT MIN(inode) AS i FROM ${dialect.table('edge')} WHERE parent > 1 AND type = 1) q)`,
    ['parents that are not those of the name'],
  ],
  [
    'a length of a symlink',
    ({ dialect }) => `UPDATE ${dialect.table('node')} SET length = length + 1 WHERE type = 3`,
    ['lengths that cannot be'],
  ],
  [
    'what a directory holds',
    ({ dialect }) => `UPDATE ${dialect.table('dir_stats')} SET used_space = used_space + 4096 WHERE inode = 1`,
    ['directories whose statistics differ'],
  ],
  [
    'statistics that are gone',
    ({ dialect }) => `DELETE FROM ${dialect.table('dir_stats')} WHERE inode = 1`,
    ['directories whose statistics differ'],
  ],
  [
    'the use of a quota',
    ({ dialect }) => `UPDATE ${dialect.table('dir_quota')} SET used_inodes = used_inodes + 1`,
    ['quotas of directories whose use differs'],
  ],
  [
    'the use of an owner',
    ({ dialect }) => `UPDATE ${dialect.table('user_group_quota')} SET used_space = used_space + 1 WHERE qtype = 2`,
    ['quotas of groups whose use differs'],
  ],
  [
    'a counter',
    ({ dialect }) => `UPDATE ${dialect.table('counter')} SET ${dialect.column('value')} = 7 WHERE ${dialect.column('name')} = 'usedSpace'`,
    ['used space'],
  ],
  [
    'a name without an inode',
    ({ dialect }) =>
      `INSERT INTO ${dialect.table('edge')} (parent, name, inode, type) VALUES (1, ${dialect.bytes(Buffer.from('ghost'))}, 999999, 1)`,
    ['names without an inode'],
  ],
  [
    'a reference of a slice',
    ({ dialect }) =>
      `UPDATE ${dialect.table('chunk_ref')} SET refs = refs + 1 WHERE chunkid = (SELECT m FROM (SELECT MIN(chunkid) AS m FROM ${dialect.table('chunk_ref')}) q)`,
    ['references of slices'],
  ],
  [
    'references that are swapped',
    ({ dialect }) =>
      `UPDATE ${dialect.table('chunk_ref')} SET size = size + 1 WHERE chunkid = (SELECT m FROM (SELECT MAX(chunkid) AS m FROM ${dialect.table('chunk_ref')}) q)`,
    ['references of slices'],
  ],
  [
    'a chunk behind the end',
    ({ dialect }) => `UPDATE ${dialect.table('chunk')} SET indx = indx + 100000`,
    ['chunks behind the end of their file'],
  ],
  ['an access rule that is gone', ({ dialect }) => `DELETE FROM ${dialect.table('acl')}`, ['access rules that are not there']],
  ['xattrs of nothing', ({ dialect }) => `UPDATE ${dialect.table('xattr')} SET inode = inode + 1000000`, ['xattrs without an inode']],
];

describe.each(ENGINES)('what follows from the names, on %s', (engine) => {
  it('is right after a load', async () => {
    const checks = await withVolume(engine, derivedInSql);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(checks.length).toBeGreaterThan(20);
    expect(checks.find(({ name }) => name === 'references of slices')?.expected).toMatch(/^[1-9]/);
  });

  it.each(DAMAGES)('is not when %s was changed', async (_what, sql, fails) => {
    await withVolume(engine, async (session) => {
      await session.run(session.dialect.begin, 'beginning');
      try {
        await session.run(sql(session), 'damaging');
        const failed = (await derivedInSql(session)).filter(({ ok }) => !ok).map(({ name }) => name);
        expect(failed).toEqual(expect.arrayContaining([...fails]));
      } finally {
        await session.run('ROLLBACK', 'undoing');
      }
    });
  });
});

const setting = (storage: string, bucket: string, more: Record<string, string | number> = {}) =>
  settingOf({ Name: 'vol', UUID: 'u', Storage: storage, Bucket: bucket, ...more });

describe('the storage of a volume', () => {
  it.each([
    ['file', '/var/jfs/', 'file:///var/jfs/vol', {}],
    ['file', 'file:///var/jfs', 'file:///var/jfs/vol', {}],
    ['s3', 'https://mine.s3.eu-central-1.amazonaws.com', 's3://mine/vol', { region: 'eu-central-1' }],
    ['s3', 'mine.s3.amazonaws.com', 's3://mine/vol', {}],
    ['s3', 'https://s3.us-west-2.amazonaws.com/mine', 's3://mine/vol', { region: 'us-west-2' }],
    ['s3', 'https://mine.s3-eu-west-1.amazonaws.com', 's3://mine/vol', { region: 'eu-west-1' }],
    ['s3', 'http://store.local:9000/mine', 's3://mine/vol', { endpoint: 'http://store.local:9000', forcePathStyle: true }],
    ['s3', 'https://mine.store.local', 's3://mine/vol', { endpoint: 'https://store.local', forcePathStyle: true }],
    ['minio', 'http://127.0.0.1:9000/mine', 's3://mine/vol', { endpoint: 'http://127.0.0.1:9000', forcePathStyle: true }],
    ['minio', '127.0.0.1:9000/minio/mine/x', 's3://mine/vol', { endpoint: 'http://127.0.0.1:9000', forcePathStyle: true }],
  ])('%s %s is %s', (storage, bucket, url, options) => {
    expect(storageOf(setting(storage, bucket))).toEqual({ kind: 'reachable', url, options });
  });

  it.each([
    ['oss', 'https://mine.oss.example', {}],
    ['', '', {}],
    ['file', 'relative/', {}],
    ['minio', 'http://127.0.0.1:9000', {}],
    ['s3', 'https://mine%d.s3.amazonaws.com', { Shards: 4 }],
  ])('%s %s cannot be looked at, and why is said', (storage, bucket, more) => {
    expect(storageOf(setting(storage, bucket, more))).toMatchObject({ kind: 'unreachable', why: expect.stringMatching(/\w/) });
  });
});

describe('blocks', () => {
  const layout = { blockSize: 4 << 20, hashPrefix: false };

  it('are named as juicefs names them', () => {
    expect(blocksOf({ id: 1n, size: 9_000_000 }, layout)).toBe(3);
    expect(blockOf({ id: 12_345_678n, size: 9_000_000 }, 2, layout)).toEqual({ key: 'chunks/12/12345/12345678_2_611392', bytes: 611_392 });
    expect(blockOf({ id: 12_345_678n, size: 5 }, 0, { ...layout, hashPrefix: true }).key).toBe('chunks/4E/12/12345678_0_5');
  });

  it('are looked for in the bucket, and one that is gone or cut is told', async () => {
    const folder = join(temporary, 'bucket/vol');
    const slices = Array.from({ length: 40 }, (_, i) => ({ id: BigInt(i + 1), size: 10 + i }));
    for (const slice of slices) {
      const path = join(folder, blockOf(slice, 0, layout).key);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, Buffer.alloc(slice.size));
    }
    const objects = objectsBelow(await openStore(pathToFileURL(folder).href), '');
    const look = { objects, slices, layout, plain: true, seed: 'x', budget };
    expect(await lookForBlocks(look)).toMatchObject({ ok: true, actual: '40 of 40 sampled' });
    const gone = [...slices, { id: 1_000_000n, size: 3 }];
    expect(await lookForBlocks({ ...look, slices: gone })).toMatchObject({
      ok: false,
      expected: '41 of 41 sampled',
      actual: expect.stringMatching(/^40 of 41 sampled: chunks\/1\/1000\/1000000_0_3 is gone/),
    });
    writeFileSync(join(folder, blockOf({ id: 7n, size: 16 }, 0, layout).key), 'cut');
    expect(await lookForBlocks(look)).toMatchObject({ ok: false, actual: expect.stringContaining('7_0_16 has 3 bytes instead of 16') });
    expect(await lookForBlocks({ ...look, plain: false })).toMatchObject({ ok: true });
  });

  it('are chosen among all slices, the same ones for the same seed', async () => {
    await withVolume('sqlite', async (session) => {
      const choose = (many: number, seed: string) => sampleSlices(sqlSlices(session), many, seed, budget);
      const all = (await choose(1000, 'a')) ?? [];
      expect(all.length).toBeGreaterThan(10);
      expect(await choose(5, 'a')).toHaveLength(5);
      expect(await choose(5, 'a')).toEqual(await choose(5, 'a'));
      expect(await choose(5, 'a')).not.toEqual(await choose(5, 'b'));
      expect(await sampleSlices(sqlSlices(session), 5, 'a', { ...budget, remaining: () => 0 })).toBeUndefined();
    });
  });
});

describe('an audit that is to look for blocks', () => {
  const layout = { blockSize: 4 << 20, hashPrefix: false };
  const audit = async (storage: Json): Promise<Json | undefined> => {
    const head = {
      engine: 'sqlite3',
      name: 'v',
      uuid: 'u',
      trashDays: 1,
      secretsRemoved: [],
      sustained: 0,
      delFiles: 0,
      openSessions: '0',
    };
    const details = { head: { ...head, blocks: { sample: 5, storage, layout, plain: false } }, entries: '0', changes: null, until: null };
    const context = {
      input: { kind: 'restore', restore: 'r1', manifest: { details }, scratch: true, overwrite: false },
      budget,
    } as unknown as TaskContext;
    const withObjects = {
      ...services,
      openObjects: async (url: string, options: object) => objectsBelow(await openStore(url, options), ''),
    };
    return (await auditStage(volumes.get('sqlite') as JuicefsAddress, withObjects).run({ kind: 'blocks' }, context)).facts;
  };

  it('fails where they are gone', async () => {
    const folder = join(temporary, 'emptied/vol');
    mkdirSync(join(folder, 'chunks/9/9'), { recursive: true });
    writeFileSync(join(folder, 'chunks/9/9/9999_0_1'), 'x');
    expect(await audit({ kind: 'reachable', url: pathToFileURL(folder).href, options: {} })).toMatchObject({
      checks: [{ name: 'blocks present', ok: false, actual: expect.stringMatching(/^0 of 5 sampled: chunks\//) }],
    });
  });

  it.each([
    ['storage that cannot be looked at', { kind: 'unreachable', why: 'storage oss is not supported' }, 'storage oss is not supported'],
    [
      'a folder that is not there',
      { kind: 'reachable', url: 'file:///nonexistent/vol', options: {} },
      'no block at all in file:///nonexistent/vol',
    ],
    [
      'a server that is not there',
      { kind: 'reachable', url: 's3://bucket/vol', options: { endpoint: 'http://127.0.0.1:1', region: 'x' } },
      'Store',
    ],
  ])('measured nothing of %s, and has not passed', async (_what, storage, why) => {
    expect(await audit(storage)).toMatchObject({
      checks: [],
      notMeasured: [{ what: 'blocks present', why: expect.stringContaining(why) }],
    });
  });
});

describe('the trees of a dump', () => {
  async function* cut(text: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
    let at = 0;
    for (const size of sizes) {
      yield text.subarray(at, at + size);
      at += size;
    }
    yield text.subarray(at);
  }

  it('have one hash, however the bytes come, and U+FFFD counts as juicefs writes it', async () => {
    const body = '\n  "FSTree": {a%EF%BF%BDb%EF%BF%BD%EF%BFc%EF%BF%BD\n}';
    const ours = Buffer.from(`{"Setting":1,${body}`);
    const theirs = Buffer.from(`{"Setting":2,"DelFiles":[],${body.replaceAll('%EF%BF%BD', '%EF')}`);
    const whole = await hashOfTrees(cut(theirs, []));
    expect(await hashOfTrees(cut(Buffer.from(theirs.toString().replace('b', 'B')), []))).not.toBe(whole);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 30 }), async (sizes) => {
        expect(await hashOfTrees(cut(ours, sizes))).toBe(whole);
      }),
    );
  });
});
