/** The real juicefs beside Lifeboat: JUICEFS_BIN names it. */
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { TaskContext } from '../../../src/sources/contract.ts';
import type { JuicefsAddress } from '../../../src/sources/juicefs/address.ts';
import { metaUrlOf } from '../../../src/sources/juicefs/meta-url.ts';
import { migrate } from '../../../src/sources/juicefs/migrate.ts';
import { withReader } from '../../../src/sources/juicefs/reading.ts';
import { readByJuicefs } from '../../../src/sources/juicefs/vendor/dump.ts';
import { countByFsck } from '../../../src/sources/juicefs/vendor/fsck.ts';
import {
  asJuicefsWrites,
  dumpOf,
  ENGINES,
  type EngineName,
  emptyEngine,
  loadInto,
  missing,
  services,
  temporary,
  treesOf,
} from './harness.ts';

const binary = process.env['JUICEFS_BIN'];
const reason = binary === undefined ? 'JUICEFS_BIN is not set' : undefined;
const run = promisify(execFile);
const options = { overwrite: false, signal: new AbortController().signal, progress: () => {} };

const environment = (address: JuicefsAddress): NodeJS.ProcessEnv => ({
  ...process.env,
  META: metaUrlOf(address, services),
  ...(address.inlinePassword === undefined ? {} : { META_PASSWORD: address.inlinePassword }),
});

const answers = (address: JuicefsAddress, ...args: string[]): Promise<{ readonly stdout: string; readonly stderr: string }> =>
  run(
    binary ?? '',
    args.map((arg) => (arg === 'META' ? metaUrlOf(address, services) : arg)),
    { env: environment(address), maxBuffer: 64 << 20 },
  );

const juicefs = async (address: JuicefsAddress, ...args: string[]): Promise<string> => {
  const { stdout, stderr } = await answers(address, ...args);
  return stdout + stderr;
};

let folders = 0;

/** A volume with files, links, quotas, a trash and what `sync` makes of them, in a bucket that is a folder. */
const realVolume = async (engine: EngineName): Promise<JuicefsAddress> => {
  const root = join(temporary, `real-${++folders}`);
  const [bucket, from] = [join(root, 'bucket/'), join(root, 'in/')];
  mkdirSync(bucket, { recursive: true });
  mkdirSync(join(from, 'a/b'), { recursive: true });
  for (let i = 0; i < 40; i++) writeFileSync(join(from, `a/f ${i}%`), `file ${i}`);
  writeFileSync(join(from, 'a/b/big'), Buffer.alloc(9_000_000, 7));
  writeFileSync(join(from, Buffer.from('caf\u00e9\ufffd').toString()), 'x');
  symlinkSync('../a/b', join(from, 'link'));
  const address = await emptyEngine(engine);
  await juicefs(address, 'format', '--storage', 'file', '--bucket', bucket, '--trash-days', '2', 'META', `real${folders}`);
  await juicefs(address, 'sync', from, 'jfs://META/', '--links', '--perms');
  await juicefs(address, 'quota', 'set', 'META', '--path', '/a', '--capacity', '1', '--inodes', '1000');
  return address;
};

const dumpByJuicefs = async (address: JuicefsAddress): Promise<string> =>
  (await answers(address, 'dump', 'META', '--log-level', 'error')).stdout;

/** On MySQL it writes two lines of its log before the dump. */
const withoutLog = (dump: string): string => dump.replace(/^(\[xorm\].*\n)*/, '');

const ring: readonly (readonly [EngineName, EngineName])[] = [
  ['sqlite', 'postgres'],
  ['postgres', 'mysql'],
  ['mysql', 'redis'],
  ['redis', 'sqlite'],
];

describe.skipIf(reason !== undefined)(`with the real juicefs${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  it.each(ring)(
    'a volume made on %s is dumped as it dumps it, and goes to %s whole',
    async (from, to) => {
      if (missing(from) !== undefined || missing(to) !== undefined) return;
      const source = await realVolume(from);
      const ours = await dumpOf(source);
      expect(asJuicefsWrites(ours)).toBe(withoutLog(await dumpByJuicefs(source)));
      const target = await emptyEngine(to);
      const done = await migrate(source, target, services, options);
      expect(done.checks.filter(({ ok }) => !ok)).toEqual([]);
      expect(treesOf(await dumpByJuicefs(target))).toBe(treesOf(asJuicefsWrites(ours)));
      expect(await juicefs(target, 'fsck', 'META')).toMatch(/Found 4\d blocks/);
      expect(await juicefs(target, 'fsck', 'META', '--path', '/', '--recursive')).not.toMatch(/ERROR|broken/);
      expect(JSON.parse((await juicefs(target, 'status', 'META', '--log-level', 'error')).replace(/^[^{]*/, ''))).toMatchObject({
        Sessions: [],
      });
      // The copy is a volume that can be written to: new files get ids of their own.
      const more = join(temporary, `more-${folders}/`);
      mkdirSync(more);
      writeFileSync(join(more, 'new'), 'new');
      await juicefs(target, 'sync', more, 'jfs://META/more/');
      expect(await dumpOf(target)).toContain('"new": {');
      expect(await juicefs(target, 'fsck', 'META')).toMatch(/Found 4\d blocks/);
    },
    60_000,
  );

  it.each(ENGINES)(
    'what is dumped here it loads into %s',
    async (engine) => {
      if (missing(engine) !== undefined) return;
      const source = await realVolume('sqlite');
      const dump = await dumpOf(source);
      const target = await emptyEngine(engine);
      const child = spawn(binary ?? '', ['load', metaUrlOf(target, services)], {
        env: environment(target),
        stdio: ['pipe', 'ignore', 'pipe'],
      });
      child.stdin.end(dump);
      const code = await new Promise((resolve) => child.on('close', resolve));
      expect(code).toBe(0);
      expect(treesOf(await dumpOf(target))).toBe(treesOf(dump));
      const again = await emptyEngine('sqlite');
      await loadInto(again, await dumpByJuicefs(target));
      expect(treesOf(await dumpOf(again))).toBe(treesOf(asJuicefsWrites(dump)));
    },
    60_000,
  );

  it('a restored SQLite engine is read by it, and what fsck misses in an empty bucket is what its references make', async () => {
    const address = await emptyEngine('sqlite');
    await loadInto(address, await dumpOf(await realVolume('sqlite')));
    const context = { budget: { remaining: () => 60_000, signal: new AbortController().signal } } as unknown as TaskContext;
    const dumped = await withReader(address, services, undefined, (reader) => readByJuicefs(address, services, reader, context));
    expect(dumped).toMatchObject({ checks: [{ ok: true }] });
    expect(await countByFsck(address, services, context)).toMatchObject({
      checks: [{ ok: true, actual: expect.stringMatching(/^4\d blocks, 9\d{6} bytes$/) }],
    });
    const database = new DatabaseSync(address.path ?? '');
    database.exec('UPDATE jfs_chunk_ref SET refs = 2 WHERE chunkid = (SELECT MIN(chunkid) FROM jfs_chunk_ref)');
    database.close();
    expect(await countByFsck(address, services, context)).toMatchObject({ checks: [{ ok: false }] });
    expect(readdirSync(temporary).filter((name) => name.startsWith('lifeboat-fsck'))).toEqual([]);
    // Of a larger volume a sample of its chunks is read.
    expect(await countByFsck(address, services, context, 20n)).toMatchObject({
      checks: [{ ok: true, actual: expect.stringMatching(/^(?:1\d|2[0-2]) blocks, \d+ bytes of \d+ of 4\d chunks$/) }],
    });
    // One that has no time is ended, and has measured nothing.
    const late = { budget: { remaining: () => 0, signal: new AbortController().signal } } as unknown as TaskContext;
    expect(await countByFsck(address, services, late)).toMatchObject({
      checks: [],
      notMeasured: [{ why: expect.stringContaining('SIGTERM') }],
    });
  }, 60_000);
});
