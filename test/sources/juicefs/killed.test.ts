/** Loads that are killed, doubled and begun again. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import type { Json, Manifest, Segment } from '../../../src/backup/types.ts';
import type { Target, TaskContext } from '../../../src/sources/contract.ts';
import type { JuicefsAddress } from '../../../src/sources/juicefs/address.ts';
import { redact } from '../../../src/sources/juicefs/address.ts';
import { juicefsTarget } from '../../../src/sources/juicefs/target.ts';
import { flawsOf } from './derived.ts';
import { dumpOf, ENGINES, emptyEngine, loadInto, missing, services, temporary, treesOf } from './harness.ts';

const FILES = 6000;

/** A folder of files that share slices, with a hard link a hundred: more than one transaction holds. */
const file = (i: number): string =>
  `{"attr":{"inode":${1000 + i - (i % 100 === 1 ? 1 : 0)},"type":"regular","mode":420,"uid":0,"gid":0,"nlink":${i % 100 < 2 ? 2 : 1},"length":5},"chunks":[{"index":0,"slices":[{"id":${1 + ((i % 100 === 1 ? i - 1 : i) % 50)},"size":5,"len":5},{"id":0,"size":0,"len":1}]}]}`;
const entries = Array.from({ length: FILES }, (_, i) => `"f${String(i).padStart(5, '0')}":${file(i)}`).join(',\n');
const HEAD =
  '{"Setting":{"Name":"v","UUID":"u","Storage":"file","Bucket":"/b/","BlockSize":4096,"TrashDays":1},"Counters":{"nextInodes":10,"nextChunk":10},';
const TREE = `"FSTree":{"attr":{"inode":1,"type":"directory","mode":511,"uid":0,"gid":0,"nlink":2,"length":0},"entries":{${entries}}}}`;

const expected = (async () => {
  const target = await emptyEngine('sqlite');
  await loadInto(target, HEAD + TREE);
  return treesOf(await dumpOf(target));
})();

const LIFEBOAT = resolve(import.meta.dirname, '../../../bin/lifeboat.mjs');

/** Runs `lifeboat load` in a process of its own, and kills it hard once it has told of so much progress. */
const killedLoad = (address: JuicefsAddress, path: string, after: number): Promise<number | NodeJS.Signals | null> => {
  const password = address.inlinePassword === undefined ? '' : `:${encodeURIComponent(address.inlinePassword)}`;
  const url = redact(address).replace('@', `${password}@`);
  const child = spawn(process.execPath, [LIFEBOAT, 'load', url, path, '--progress', 'json'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let told = 0;
  createInterface({ input: child.stderr }).on('line', () => {
    if (++told === after) child.kill('SIGKILL');
  });
  return new Promise((done) => child.on('close', (code, signal) => done(signal ?? code)));
};

describe.each(ENGINES)('a load into %s', (engine) => {
  const reason = missing(engine);

  it.skipIf(reason !== undefined)(
    `that was killed is no volume, and is simply run again${reason === undefined ? '' : ` (skipped: ${reason})`}`,
    async () => {
      const path = join(temporary, 'killed.json');
      // Progress is told a piece of a megabyte and a batch.
      writeFileSync(path, HEAD + TREE);
      const target = await emptyEngine(engine);
      for (const after of engine === 'sqlite' ? [1, 2] : [2]) {
        expect(await killedLoad(target, path, after)).toBe('SIGKILL');
        await expect(dumpOf(target)).rejects.toMatchObject({ name: 'SourceProblem' });
        expect(await juicefsTarget(target, services).inspect()).toMatchObject({ empty: false, unfinished: expect.stringMatching(/./) });
      }
      expect((await loadInto(target, HEAD + TREE)).rows).toBe(String(FILES));
      expect(treesOf(await dumpOf(target))).toBe(await expected);
      expect(await flawsOf(target)).toEqual([]);
    },
    60_000,
  );

  it.skipIf(reason !== undefined)(
    'as tasks that are cut off, run again and doubled makes the same volume',
    async () => {
      const address = await emptyEngine(engine);
      const target = juicefsTarget(address, services);
      const manifest = manifestOf();
      await runStage(target, 'prepare', manifest);
      // Cut off after its first transaction, as when its function dies; then by two at the same time.
      const died = new AbortController();
      const cut = contextOf(manifest, died.signal, () => died.abort(new Error('died')));
      await expect(stageOf(target, 'load').run({ ordinal: '000001.0000' }, cut)).rejects.toThrow('died');
      await Promise.all([runStage(target, 'load', manifest), runStage(target, 'load', manifest)]);
      for (const stage of target.stages.slice(2)) {
        await runStage(target, stage.name, manifest);
        if (stage.name !== 'publish') await runStage(target, stage.name, manifest);
      }
      await runStage(target, 'publish', manifest);
      expect(treesOf(await dumpOf(address))).toBe(await expected);
      expect(await flawsOf(address)).toEqual([]);
    },
    60_000,
  );
});

const segment = (ordinal: string, context: Json): Segment => ({ ordinal, key: ordinal, context }) as unknown as Segment;

const manifestOf = (): Manifest =>
  ({
    source: { place: 'elsewhere' },
    segments: [segment('000000.0000', { kind: 'head' }), segment('000001.0000', { kind: 'tree', tree: 'FSTree', open: null, after: null })],
  }) as unknown as Manifest;

const contextOf = (manifest: Manifest, signal = new AbortController().signal, progress = () => {}): TaskContext =>
  ({
    input: { kind: 'restore', restore: 'r1', manifest, scratch: false, overwrite: false },
    budget: { remaining: () => 1e9, signal },
    progress,
    read: {
      async *read({ ordinal }: Segment) {
        yield Buffer.from(ordinal === '000000.0000' ? HEAD : TREE);
      },
    },
  }) as unknown as TaskContext;

const stageOf = (target: Target, name: string) => {
  const stage = target.stages.find((one) => one.name === name);
  if (stage === undefined) throw new Error(`no stage ${name}`);
  return stage;
};

const runStage = async (target: Target, name: string, manifest: Manifest): Promise<void> => {
  const context = contextOf(manifest);
  for await (const { task } of stageOf(target, name).plan(context)) await stageOf(target, name).run(task, context);
};
