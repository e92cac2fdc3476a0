import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { openRedisAt } from '../../../src/sources/juicefs/engines/open.ts';
import { pairsOf } from '../../../src/sources/juicefs/engines/redis.ts';
import { flawsOf } from './derived.ts';
import { dumpOf, ENGINES, emptyEngine, fixture, loadInto, missing, services, temporary, treesOf } from './harness.ts';

const HEAD =
  '{"Setting":{"Name":"v","UUID":"u","Storage":"file","Bucket":"/b/","BlockSize":4096,"TrashDays":1},"Counters":{"nextInodes":10,"nextChunk":10},';
const ROOT = '"attr":{"inode":1,"type":"directory","mode":511,"uid":0,"gid":0,"nlink":2,"length":0}';
const entry = (inode: number | string, type = 'regular', more = ''): string =>
  `{"attr":{"inode":${inode},"type":"${type}","mode":420,"uid":0,"gid":0,"nlink":1,"length":0}${more}}`;
const volume = (entries: string, more = ''): string => `${HEAD}${more}"FSTree":{${ROOT},"entries":{${entries}}}}`;

const rowsOf = (path: string | undefined, sql: string): unknown[] => {
  const database = new DatabaseSync(path ?? '');
  try {
    return database
      .prepare(sql)
      .all()
      .map((row) => Object.values(row));
  } finally {
    database.close();
  }
};

describe('what the real load does wrong', () => {
  it('A: references of slices are right in spite of holes', async () => {
    const target = await emptyEngine('sqlite');
    await loadInto(target, fixture('hazards/holes-chunkref.json'));
    expect(rowsOf(target.path, 'SELECT chunkid, refs FROM jfs_chunk_ref ORDER BY 1')).toEqual([
      [7, 4],
      [8, 1],
    ]);
    for (const engine of ENGINES.filter((one) => missing(one) === undefined)) {
      const other = await emptyEngine(engine);
      await loadInto(other, fixture('hazards/holes-chunkref.json'));
      expect(await flawsOf(other), engine).toEqual([]);
      if (engine !== 'redis') continue;
      // One less than there are, and none for what has one, or is a hole.
      const session = await openRedisAt(other, services);
      expect(pairsOf(await session.call('HGETALL', 'sliceRef')).map(([field, count]) => `${field}: ${count}`)).toEqual([
        expect.stringMatching(/^k7_\d+: 3$/),
      ]);
      await session.close();
    }
  });

  it('B: an inode that waits to be deleted is not handed out again', async () => {
    for (const engine of ENGINES.filter((one) => missing(one) === undefined)) {
      const target = await emptyEngine(engine);
      // Also where the counter of the dump is no help: its highest inode is 102.
      const dump = fixture('hazards/delfile-inode-reuse.json').toString().replace('"nextInodes": 1025', '"nextInodes": 2');
      expect(dump).toContain('"nextInodes": 2,');
      await loadInto(target, dump);
      expect(Number(/"nextInodes": (\d+)/.exec(await dumpOf(target))?.[1]), engine).toBe(106);
      // Nor is one that a session kept open.
      const kept = await emptyEngine(engine);
      await loadInto(kept, volume(`"f":${entry(2)}`, '"Sustained":[{"sid":1,"inodes":[78,77]}],'));
      expect(Number(/"nextInodes": (\d+)/.exec(await dumpOf(kept))?.[1]), engine).toBe(79);
    }
  });

  it('C: ids of slices go on above those that were handed out before the dump', async () => {
    for (const engine of ENGINES.filter((one) => missing(one) === undefined)) {
      const target = await emptyEngine(engine);
      await loadInto(target, fixture('redis.json'));
      // Above the counter, and not only above the highest in the tree, which is 65.
      expect(Number(/"nextChunk": (\d+)/.exec(await dumpOf(target))?.[1]), engine).toBe(4097 + 1_000_000);
    }
  });

  it('D: unknown keys are skipped, and nothing behind them is lost', async () => {
    const dump = fixture('redis.json').toString();
    const odd = dump
      .replace('  "FSTree": {', '  "Future": {"a":[1,{"b":"}"}]},\n  "FSTree": {')
      .replace('"attr": {"inode":2,', '"later": [{"x":"]"}],\n        "attr": {"inode":2,')
      .replace('  "Trash": {', '  "Between": "x{",\n  "Trash": {');
    expect(odd.length).toBeGreaterThan(dump.length + 60);
    for (const engine of ENGINES.filter((one) => missing(one) === undefined)) {
      const target = await emptyEngine(engine);
      expect((await loadInto(target, odd)).rows, engine).toBe('106');
      expect(treesOf(await dumpOf(target)), engine).toBe(treesOf(dump));
      expect(await flawsOf(target), engine).toEqual([]);
    }
  });

  it('E: a valid U+FFFD in a name, a target and an xattr comes back whole', async () => {
    for (const engine of ENGINES.filter((one) => missing(one) === undefined)) {
      const target = await emptyEngine(engine);
      const xattrs = ',"xattrs":[{"name":"user.r","value":"b%EF%BF%BD"}]';
      await loadInto(target, volume(`"n%EF%BF%BD":${entry(2, 'symlink', `,"symlink":"t%EF%BF%BD"${xattrs}`)}`));
      expect(await dumpOf(target), engine).toMatch(
        /"n%EF%BF%BD": \{[^}]*\},\s+"symlink": "t%EF%BF%BD",\s+"xattrs": \[\{"name":"user.r","value":"b%EF%BF%BD"\}\]/,
      );
    }
  });

  it('I, K: a volume without trash gets one, and inodes of its folders, beyond 2^53, stay apart', async () => {
    for (const engine of ENGINES.filter((one) => missing(one) === undefined)) {
      const bare = await emptyEngine(engine);
      await loadInto(bare, volume(`"f":${entry(2)}`));
      expect(await dumpOf(bare), engine).toMatch(/"Trash": \{\s+"attr": \{"inode":9223372032828243968,"type":"directory","mode":365/);
      const hours = [1n, 2n].map((hour) => 9223372032828243968n + hour);
      const folders = hours.map(
        (inode, i) => `"2026-11-21-0${i}":${entry(String(inode), 'directory', `,"entries":{"1-${9 + i}-x":${entry(9 + i)}}`)}`,
      );
      const trash = `,"Trash":{"attr":{"inode":9223372032828243968,"type":"directory","mode":365,"uid":0,"gid":0,"nlink":2,"length":0},"entries":{${folders.join(',')}}}}`;
      const target = await emptyEngine(engine);
      await loadInto(target, volume(`"f":${entry(2)}`).replace(/\}$/, trash));
      const dump = await dumpOf(target);
      for (const inode of hours) expect(dump.split(`"inode":${inode},`), engine).toHaveLength(2);
      expect(dump).toContain('"nextTrash": 2');
    }
  });

  it('lines of its log before a dump of MySQL are no dump', async () => {
    const target = await emptyEngine('sqlite');
    const log = '[xorm] [info]  2026/11/21 13:16:29.872547 PING DATABASE mysql\n';
    expect((await loadInto(target, `${log}${log}${fixture('mysql.json')}`, { size: 5 })).rows).toBe('106');
    await expect(loadInto(await emptyEngine('sqlite'), log)).rejects.toMatchObject({ name: 'ArtifactInvalid' });
  });

  it.each(['postgres', 'mysql'] as const)('F: a uid that %s cannot hold is refused by name', async (engine) => {
    if (missing(engine) !== undefined) return;
    const target = await emptyEngine(engine);
    const dump = volume(`"f":${entry(2).replace('"uid":0', '"uid":4294967294')}`);
    await expect(loadInto(target, dump)).rejects.toMatchObject({ name: 'TargetProblem', message: expect.stringContaining('inode 2') });
    expect((await loadInto(await emptyEngine('sqlite'), dump)).rows).toBe('1');
  });

  it.skipIf(missing('mysql') !== undefined)('G: names of xattrs that MySQL takes for one are refused by name', async () => {
    const dump = volume(`"f":${entry(2, 'regular', ',"xattrs":[{"name":"user.A","value":""},{"name":"user.a","value":""}]')}`);
    await expect(loadInto(await emptyEngine('mysql'), dump)).rejects.toMatchObject({ name: 'TargetProblem' });
    expect((await loadInto(await emptyEngine('postgres'), dump)).rows).toBe('1');
  });

  it('L: an empty value of an xattr is loaded', async () => {
    for (const engine of ENGINES.filter((one) => missing(one) === undefined)) {
      const target = await emptyEngine(engine);
      await loadInto(target, volume(`"f":${entry(2, 'regular', ',"xattrs":[{"name":"user.e","value":""}]')}`));
      expect(await dumpOf(target), engine).toContain('"xattrs": [{"name":"user.e","value":""}]');
    }
  });

  it('M: a target of a symlink is unescaped once', async () => {
    for (const engine of ENGINES.filter((one) => missing(one) === undefined)) {
      const target = await emptyEngine(engine);
      await loadInto(target, volume(`"l":${entry(2, 'symlink', ',"symlink":"100%2541"')}`));
      expect(await dumpOf(target), engine).toContain('"symlink": "100%2541"');
    }
  });
});

describe('bad input', () => {
  const whole = fixture('sqlite.json').toString();
  const cases: readonly (readonly [string, string])[] = [
    ['an empty file', ''],
    ['text', 'hello'],
    ['another JSON', '{"a":1}'],
    ['a list', '[1,2]'],
    ['a dump that is cut', whole.slice(0, 20_000)],
    ['a dump without its last brace', whole.slice(0, -3)],
    ['a dump with more behind it', `${whole}{}`],
    ['a wrong type', whole.replace('"mode":511', '"mode":"511"')],
    ['an unknown kind of file', whole.replace('"type":"socket"', '"type":"portal"')],
    ['no attr', volume('"f":{"symlink":"x"}')],
    ['no inode', volume('"f":{"attr":{"type":"regular"}}')],
    ['a name twice', volume(`"f":${entry(2)},"f":${entry(3)}`)],
    ['a directory within itself', volume(`"d":${entry(2, 'directory', `,"entries":{"e":${entry(2, 'directory', ',"entries":{}')}}`)}`)],
    ['a directory with two names', volume(`"d":${entry(2, 'directory', ',"entries":{}')},"e":${entry(2, 'directory', ',"entries":{}')}`)],
    ['a script of another product', "-- PostgreSQL database dump\nSET client_encoding = 'UTF8';\nCREATE TABLE t (a int);\n"],
    ['JSON of another product', '{"commits_meta_range_id":"8f","tags_meta_range_id":"9a","branches_meta_range_id":"0b"}'],
    ['no tree', `${HEAD}"Sustained":[]}`],
    ['a file with entries', volume(`"f":${entry(2, 'regular', ',"entries":{}')}`)],
  ];

  it.each(cases)('%s is refused, and nothing of it stays', async (_what, dump) => {
    const target = await emptyEngine('sqlite');
    await expect(loadInto(target, dump)).rejects.toMatchObject({ name: 'ArtifactInvalid' });
    expect(existsSync(target.path ?? '')).toBe(false);
    expect((await loadInto(target, whole)).rows).toBe('106');
  });

  it('of the binary format is refused by its name', async () => {
    const target = await emptyEngine('sqlite');
    const binary = Buffer.concat([Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0x5f, 0x0a]), Buffer.alloc(600, 'x')]);
    await expect(loadInto(target, binary)).rejects.toMatchObject({ name: 'Unsupported', message: expect.stringContaining('--binary') });
    expect(existsSync(target.path ?? '')).toBe(false);
  });

  it('into a folder that is not there makes none', async () => {
    const target = await emptyEngine('sqlite');
    const path = join(temporary, 'nowhere/volume.db');
    await expect(loadInto({ ...target, path }, whole)).rejects.toMatchObject({ name: 'NoSuchDatabase' });
    expect(existsSync(join(temporary, 'nowhere'))).toBe(false);
  });

  it.skipIf(missing('redis') !== undefined)('leaves nothing in Redis either', async () => {
    const target = await emptyEngine('redis');
    await expect(loadInto(target, whole.slice(0, 30_000))).rejects.toMatchObject({ name: 'ArtifactInvalid' });
    expect((await loadInto(target, whole)).rows).toBe('106');
  });
});

describe('a target that is not empty', () => {
  it.each(ENGINES)('is refused by the name of what is there, on %s', async (engine) => {
    if (missing(engine) !== undefined) return;
    const target = await emptyEngine(engine);
    await loadInto(target, volume(`"f":${entry(2)}`));
    const before = await dumpOf(target);
    await expect(loadInto(target, volume(`"g":${entry(3)}`))).rejects.toMatchObject({
      name: 'TargetNotEmpty',
      message: expect.stringMatching(/table|key/),
    });
    expect(await dumpOf(target)).toBe(before);
    await loadInto(target, volume(`"g":${entry(3)}`), { overwrite: true });
    expect(await dumpOf(target)).toContain('"g": {');
  });
});
