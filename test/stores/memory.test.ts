import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../src/stores/memory.ts';
import { bytes, readWhole, testStore } from './suite.ts';

describe('memory store', () => {
  testStore(async () => memoryStore());

  it('keeps a copy of what it was given, and gives copies', async () => {
    const store = memoryStore();
    const given = bytes('abc');
    await store.create('a', given);
    given[0] = 0;
    for await (const chunk of store.read('a')) chunk[1] = 0;
    expect((await readWhole(store, 'a')).toString()).toBe('abc');
  });

  it('takes its time from the clock that it is given', async () => {
    const store = memoryStore({ name: 'control', now: () => new Date('2026-11-21T01:30:00Z') });
    await store.create('a', bytes('a'));
    expect(await store.head('a')).toMatchObject({ modified: new Date('2026-11-21T01:30:00Z') });
    expect(store.url).toBe('memory://control');
  });
});
