import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { objectsBelow } from '../../../src/backup/pool.ts';
import type { Budget, TaskContext } from '../../../src/sources/contract.ts';
import type { JuicefsAddress } from '../../../src/sources/juicefs/address.ts';
import { auditStage } from '../../../src/sources/juicefs/audit.ts';
import { sampleSlices } from '../../../src/sources/juicefs/blocks/sample.ts';
import { openBalance } from '../../../src/sources/juicefs/engines/balance.ts';
import { openIdSet } from '../../../src/sources/juicefs/engines/id-set.ts';
import { openRedisAt, openSql } from '../../../src/sources/juicefs/engines/open.ts';
import type { Argument, RedisSession } from '../../../src/sources/juicefs/engines/redis.ts';
import type { StoredAttr } from '../../../src/sources/juicefs/engines/redis-attr.ts';
import { auditKeys } from '../../../src/sources/juicefs/engines/redis-audit.ts';
import { scanAttrs, scanKeys } from '../../../src/sources/juicefs/engines/redis-scan.ts';
import { redisSlices } from '../../../src/sources/juicefs/engines/redis-slices.ts';
import { sqlSlices } from '../../../src/sources/juicefs/engines/sql-slices.ts';
import { TYPE } from '../../../src/sources/juicefs/model.ts';
import { openStore } from '../../../src/stores/open.ts';
import { budget, derivedInRedis } from './derived.ts';
import { emptyEngine, fixture, loadInto, missing, services, temporary } from './harness.ts';

const reason = missing('redis');
/** Each step is the last one of its invocation. */
const hurried: Budget = { ...budget, remaining: () => 0 };

let address: JuicefsAddress;
let session: RedisSession;

const failedOf = async (): Promise<readonly string[]> =>
  (await derivedInRedis(session)).checks.filter(({ ok }) => !ok).map(({ name }) => name);

const nodes = async (): Promise<StoredAttr[]> =>
  (await Array.fromAsync(scanAttrs(session))).flat().sort((a, b) => (a.attr.inode < b.attr.inode ? -1 : 1));

const nodeOf = async (which: (node: StoredAttr) => boolean): Promise<bigint> => {
  const found = (await nodes()).find(which);
  if (found === undefined) throw new Error('the fixture has no such inode');
  return found.attr.inode;
};

const keysLike = async (pattern: RegExp): Promise<string[]> =>
  (await Array.fromAsync(scanKeys(session)))
    .flat()
    .filter((name) => pattern.test(name))
    .sort();

const set = (...command: readonly [string, ...Argument[]]): Promise<unknown> => session.call(...command);

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

const isFile = ({ attr }: StoredAttr): boolean => attr.type === TYPE.regular && attr.nlink === 1;

/** A damage that no digest of content sees, and the checks that it must fail. */
const DAMAGES: readonly (readonly [what: string, damage: () => Promise<unknown>, fails: readonly string[]])[] = [
  ['a number of links', async () => set('SETRANGE', `i${await nodeOf(isFile)}`, 47, u32(2)), ['links of files that are not counted']],
  [
    'links of a file that has several',
    async () => set('SETRANGE', `i${await nodeOf(({ attr, parent }) => attr.type === TYPE.regular && parent === 0n)}`, 47, u32(9)),
    ['links of files that are not counted'],
  ],
  ['links of a folder', () => set('SETRANGE', 'i1', 47, u32(77)), ['links of directories that are not counted']],
  [
    'a parent',
    async () => set('SETRANGE', `i${await nodeOf((node) => isFile(node) && node.parent > 1n)}`, 67, u32(1)),
    ['parents that are not those of the name'],
  ],
  [
    'one of several parents',
    async () => {
      const [key = ''] = await keysLike(/^p\d+$/);
      const [field] = (await session.call('HKEYS', key)) as unknown as readonly Buffer[];
      await set('HDEL', key, field as Buffer);
      return set('HSET', key, '31337', 1);
    },
    ['parents that are not those of the name'],
  ],
  [
    'a length of a symlink',
    async () => set('APPEND', `s${await nodeOf(({ attr }) => attr.type === TYPE.symlink)}`, 'x'),
    ['lengths that cannot be'],
  ],
  ['what a directory holds', () => set('HINCRBY', 'dirUsedSpace', '1', 4096), ['directories whose statistics differ']],
  ['statistics that are gone', () => set('HDEL', 'dirDataLength', '1'), ['directories whose statistics differ']],
  ['statistics of nothing', () => set('HSET', 'dirUsedInodes', '424242', '0'), ['statistics of no directory']],
  [
    'the use of a quota',
    async () => {
      const [field] = (await session.call('HKEYS', 'dirQuota')) as unknown as readonly Buffer[];
      return set('HINCRBY', 'dirQuotaUsedInodes', field as Buffer, 1);
    },
    ['quotas of directories whose use differs'],
  ],
  ['the use of a user', () => set('HINCRBY', 'userQuotaUsedInodes', '0', 1), ['quotas of users whose use differs']],
  ['the use of an owner', () => set('HINCRBY', 'groupQuotaUsedSpace', '0', 1), ['quotas of groups whose use differs']],
  ['a counter', () => set('SET', 'usedSpace', '7'), ['used space']],
  ['another counter', () => set('INCR', 'totalInodes'), ['used inodes']],
  [
    'a name without an inode',
    () => set('HSET', 'd1', 'ghost', Buffer.concat([Buffer.from([1]), Buffer.from('00000000000f423f', 'hex')])),
    ['names without an inode'],
  ],
  ['names of no folder', () => set('HSET', 'd424242', 'ghost', Buffer.alloc(9)), ['names without a directory']],
  [
    'a name that is gone',
    async () => {
      const names = (await session.call('HGETALL', 'd1')) as unknown as readonly Buffer[];
      const at = names.findIndex((value, i) => i % 2 === 1 && value[0] === TYPE.directory);
      return set('HDEL', 'd1', names[at - 1] as Buffer);
    },
    ['inodes without a name', 'links of directories that are not counted'],
  ],
  [
    'a folder that has a second name',
    async () => {
      const names = (await session.call('HGETALL', 'd1')) as unknown as readonly Buffer[];
      const at = names.findIndex((value, i) => i % 2 === 1 && value[0] === TYPE.directory);
      return set('HSET', 'd1', 'again', names[at] as Buffer);
    },
    ['directories with several names'],
  ],
  [
    'the kind of a name',
    async () => {
      const names = (await session.call('HGETALL', 'd1')) as unknown as readonly Buffer[];
      const at = names.findIndex((value, i) => i % 2 === 1 && value[0] === TYPE.directory);
      return set('HSET', 'd1', names[at - 1] as Buffer, Buffer.concat([Buffer.from([1]), (names[at] as Buffer).subarray(1)]));
    },
    ['types that differ between name and inode'],
  ],
  [
    'a reference of a slice',
    async () => {
      const [field] = (await session.call('HKEYS', 'sliceRef')) as unknown as readonly Buffer[];
      return set('HINCRBY', 'sliceRef', field as Buffer, 1);
    },
    ['references of slices'],
  ],
  [
    'references that are gone',
    async () => {
      const [field] = (await session.call('HKEYS', 'sliceRef')) as unknown as readonly Buffer[];
      return set('HDEL', 'sliceRef', field as Buffer);
    },
    ['references of slices'],
  ],
  [
    'references that are swapped',
    async () => {
      const [field] = (await session.call('HKEYS', 'sliceRef')) as unknown as readonly Buffer[];
      const count = (await session.call('HGET', 'sliceRef', field as Buffer)) as Buffer;
      await set('HDEL', 'sliceRef', field as Buffer);
      return set('HSET', 'sliceRef', 'k999999_1', count);
    },
    ['references of slices'],
  ],
  [
    'a chunk behind the end',
    async () => {
      const [key = ''] = await keysLike(/^c\d+_0$/);
      return set('RENAME', key, key.replace(/_0$/, '_100000'));
    },
    ['chunks behind the end of their file'],
  ],
  [
    'a chunk of nothing',
    async () => {
      const [key = ''] = await keysLike(/^c\d+_0$/);
      return set('RENAME', key, 'c424242_0');
    },
    ['chunks without an inode'],
  ],
  [
    'half a slice',
    async () => {
      const [key = ''] = await keysLike(/^c\d+_0$/);
      return set('RPUSH', key, 'half');
    },
    ['chunks that are not whole slices'],
  ],
  [
    'a slice that is longer than its object',
    async () => {
      const [key = ''] = await keysLike(/^c\d+_0$/);
      const slice = Buffer.from((await session.call('LINDEX', key, 0)) as Buffer);
      slice.writeUInt32BE(slice.readUInt32BE(12) + 1, 20);
      return set('LSET', key, 0, slice);
    },
    ['slices outside of their chunk or object'],
  ],
  ['an access rule that is gone', () => set('DEL', 'acl'), ['access rules that are not there']],
  [
    'xattrs of nothing',
    async () => {
      const [key = ''] = await keysLike(/^x\d+$/);
      return set('RENAME', key, 'x424242');
    },
    ['xattrs without an inode'],
  ],
  ['a target of nothing', () => set('SET', 's424242', 'x'), ['targets of what is no symlink']],
];

describe.skipIf(reason !== undefined)(`what follows from the names, on redis${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  beforeAll(async () => {
    address = await emptyEngine('redis');
    session = await openRedisAt(address, services);
  });
  beforeEach(async () => {
    await session.call('FLUSHDB');
    await loadInto(address, fixture('redis.json'));
  });
  afterAll(() => session.close());

  it('is right after a load, with as many checks as in SQL', async () => {
    const { checks, notMeasured } = await derivedInRedis(session);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(notMeasured).toEqual([]);
    expect(checks.length).toBeGreaterThan(20);
    const sqlite = await emptyEngine('sqlite');
    await loadInto(sqlite, fixture('redis.json'));
    const sql = await openSql(sqlite, services, false);
    try {
      const choose = (pages: Parameters<typeof sampleSlices>[0]) => sampleSlices(pages, 8, 'seed', budget);
      expect(await choose(redisSlices(session))).toEqual(await choose(sqlSlices(sql)));
      expect(await choose(redisSlices(session))).toHaveLength(8);
    } finally {
      await sql.close();
    }
  });

  it.each(DAMAGES)('is not when it is %s', async (_what, damage, fails) => {
    await damage();
    expect(await failedOf()).toEqual(expect.arrayContaining([...fails]));
  });

  it('goes on in another function where one was over, and has then all but the references', async () => {
    // More keys than one step of a scan takes.
    const ballast = Array.from({ length: 12_000 }, (_, i) => ['SET', `foreign${i}`, ''] as const);
    await session.pipeline(ballast);
    const { checks, notMeasured, parts } = await derivedInRedis(session, hurried);
    expect(parts).toBeGreaterThan(4);
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(notMeasured).toEqual([expect.stringMatching(/^references of slices: the time of one function was over/)]);
    await set('HINCRBY', 'dirUsedSpace', '1', 4096);
    await set('INCR', 'totalInodes');
    const failed = (await derivedInRedis(session, hurried)).checks.filter(({ ok }) => !ok).map(({ name }) => name);
    expect(failed.sort()).toEqual(['directories whose statistics differ', 'used inodes']);
  });

  it('is not measured while keys come in', async () => {
    let ticks = 0;
    const writing: RedisSession = {
      ...session,
      async call(...command) {
        const reply = await session.call(...command);
        if (command[0] === 'SCAN') await session.call('SET', `tick${ticks++}`, '');
        return reply;
      },
    };
    const { checks, notMeasured } = await auditKeys(writing, undefined, budget, () => {});
    expect(checks).toEqual([]);
    expect(notMeasured).toMatchObject([{ why: expect.stringContaining('in each of 3 passes') }]);
  });

  it('has its blocks looked for in the bucket', async () => {
    const folder = join(temporary, 'redis-emptied/vol');
    mkdirSync(join(folder, 'chunks/9/9'), { recursive: true });
    writeFileSync(join(folder, 'chunks/9/9/9999_0_1'), 'x');
    const storage = { kind: 'reachable', url: pathToFileURL(folder).href, options: {} };
    const head = {
      ...{ engine: 'redis', name: 'v', uuid: 'u', trashDays: 1, secretsRemoved: [], sustained: 0, delFiles: 0, openSessions: '0' },
      blocks: { sample: 5, storage, layout: { blockSize: 4 << 20, hashPrefix: false }, plain: false },
    };
    const manifest = { details: { head, entries: '0', changes: null, until: null } };
    const input = { kind: 'restore', restore: 'r1', manifest, scratch: true, overwrite: false };
    const withObjects = {
      ...services,
      openObjects: async (url: string, options: object) => objectsBelow(await openStore(url, options), ''),
    };
    const { facts } = await auditStage(address, withObjects).run({ kind: 'blocks' }, { input, budget } as unknown as TaskContext);
    expect(facts).toMatchObject({
      checks: [{ name: 'blocks present', ok: false, actual: expect.stringMatching(/^0 of 5 sampled: chunks\//) }],
    });
  });
});

describe('a balance', () => {
  const key = fc.bigInt(0n, (1n << 64n) - 1n);

  it('is even when both sides have the same keys, in any order, cut anywhere', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(key, key), { maxLength: 30 }), fc.nat(), (keys, cut) => {
        let balance = openBalance();
        for (const [one, of] of keys) balance.add(one, of, 1n);
        for (const [i, [one, of]] of keys.toReversed().entries()) {
          if (i === cut % 31) balance = openBalance(balance.text());
          balance.add(one, of, -1n);
        }
        expect(balance.even).toBe(true);
      }),
    );
  });

  it('is not when one of them is another', () => {
    fc.assert(
      fc.property(fc.array(key, { minLength: 1, maxLength: 30 }), key, (keys, other) => {
        fc.pre(keys[0] !== other);
        const balance = openBalance();
        for (const one of keys) balance.add(one, 0n, 1n);
        for (const [i, one] of keys.entries()) balance.add(i === 0 ? other : one, 0n, -1n);
        expect(balance.even).toBe(false);
        expect(balance.excess).toBe(0n);
      }),
    );
  });
});

describe('a set of ids', () => {
  it('knows each again, and says when it has no room', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt(0n, 5_000_000n), { maxLength: 200 }), (ids) => {
        const set = openIdSet();
        const known = new Set<bigint>();
        for (const id of ids) {
          expect(set.add(id)).toBe(!known.has(id));
          known.add(id);
        }
      }),
    );
    const far = openIdSet();
    const answers = Array.from({ length: 600 }, (_, i) => far.add(BigInt(i) << 40n));
    expect(answers.slice(0, 512).every((answer) => answer === true)).toBe(true);
    expect(answers.at(-1)).toBeUndefined();
  });
});
