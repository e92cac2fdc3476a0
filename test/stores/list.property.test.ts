import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fileStore } from '../../src/stores/file.ts';
import { walk } from '../../src/stores/file-list.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import { bytes, keysOf } from './suite.ts';

/** Characters around the slash, which is where names and keys sort differently. */
const Name = fc
  .string({ unit: fc.constantFrom('a', 'b', '-', '.', '0', ' ', '~'), minLength: 1, maxLength: 3 })
  .filter((name) => !/^\.+$/.test(name));
const Key = fc.array(Name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
const Keys = fc.uniqueArray(Key, { maxLength: 25 }).map((keys) => keys.filter((key) => !keys.some((other) => other.startsWith(`${key}/`))));

it('lists a folder as it lists memory, whatever the keys, the prefix and the place to go on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lifeboat-list-'));
  let round = 0;
  try {
    await fc.assert(
      fc.asyncProperty(Keys, Key, fc.boolean(), Key, fc.integer({ min: 1, max: 4 }), async (keys, prefix, slash, after, batch) => {
        const root = join(folder, String(round++));
        const files = fileStore(root);
        const memory = memoryStore();
        for (const key of keys) {
          await files.create(key, bytes('x'));
          await memory.create(key, bytes('x'));
        }
        for (const below of ['', slash ? `${prefix}/` : prefix]) {
          expect(await keysOf(files, below)).toEqual(await keysOf(memory, below));
          expect(await keysOf(files, below, after)).toEqual(await keysOf(memory, below, after));
        }
        const walked: string[] = [];
        for await (const { key } of walk(root, '', { prefix: '', after, batch })) walked.push(key);
        expect(walked).toEqual(await keysOf(memory, '', after));
      }),
      { numRuns: 40 },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
