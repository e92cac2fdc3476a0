import { describe, expect, it } from 'vitest';
import { objectsBelow } from '../../src/backup/pool.ts';
import { memoryStore } from '../../src/stores/memory.ts';
import type { Store } from '../../src/stores/store.ts';

const MIB = 1024 * 1024;

/** Copies `count` objects that are said to have `bytes` between two stores that cannot copy by themselves; answers how many went at once. */
const mostAtOnce = async (count: number, bytes: number): Promise<{ readonly most: number; readonly copied: number }> => {
  let [now, most, copied] = [0, 0, 0];
  const from: Store = { ...memoryStore({ name: 'from' }), head: async (key) => ({ key, bytes, modified: new Date(0), etag: '' }) };
  const to: Store = {
    ...memoryStore({ name: 'to' }),
    async create() {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      copied += 1;
      return { created: true };
    },
  };
  const [source, target] = [objectsBelow(from, ''), objectsBelow(to, 'pool/')];
  const { signal } = new AbortController();
  await Promise.all(Array.from({ length: count }, (_, n) => target.copyFrom(`${n}`, { objects: source, key: `${n}`, bytes }, signal)));
  return { most, copied };
};

describe('copies that pass through this process', () => {
  it('are few at a time where they are large, whatever was asked for', async () => {
    expect(await mostAtOnce(12, 5 * 1024 * MIB)).toEqual({ most: 2, copied: 12 });
    expect(await mostAtOnce(12, 16 * MIB)).toEqual({ most: 4, copied: 12 });
  });

  it('are many where they are small', async () => {
    expect(await mostAtOnce(100, 1024)).toEqual({ most: 100, copied: 100 });
  });

  it('make room when they fail', async () => {
    const from = memoryStore({ name: 'from' });
    await from.create('k', Buffer.from('k'));
    const failing: Store = {
      ...memoryStore({ name: 'to' }),
      create: async () => {
        throw new Error('full');
      },
    };
    const large: Store = { ...from, head: async (key) => ({ key, bytes: 64 * MIB, modified: new Date(0), etag: '' }) };
    const { signal } = new AbortController();
    const copy = () => objectsBelow(failing, '').copyFrom('k', { objects: objectsBelow(large, ''), key: 'k', bytes: 64 * MIB }, signal);
    const ended = await Promise.allSettled(Array.from({ length: 6 }, copy));
    expect(ended.map(({ status }) => status)).toEqual(Array.from({ length: 6 }, () => 'rejected'));
  });
});
