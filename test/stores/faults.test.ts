import { describe, expect, it } from 'vitest';
import { memoryStore } from '../../src/stores/memory.ts';
import { withFaults } from '../support/faults.ts';
import { bytes, codeOf, keysOf, readWhole, testStore } from './suite.ts';

describe('withFaults', () => {
  describe('and no faults', () => testStore(async () => withFaults(memoryStore(), [])));

  it('fails before, or after the work', async () => {
    const store = withFaults(memoryStore(), [
      { on: 'create', key: 'a', fault: { kind: 'fail', code: 'StoreUnavailable' } },
      { on: 'create', key: 'b', skip: 1, fault: { kind: 'fail', code: 'StoreUnavailable', after: true } },
    ]);
    expect(await codeOf(() => store.create('a', bytes('a')))).toBe('StoreUnavailable');
    expect(await store.create('a', bytes('a'))).toEqual({ created: true });
    expect(store.pending()).toHaveLength(1);
    await store.create('b', bytes('b'));
    await store.delete('b');
    expect(await codeOf(() => store.create('b', bytes('b')))).toBe('StoreUnavailable');
    expect(await keysOf(store)).toEqual(['a', 'b']);
    expect(store.pending()).toEqual([]);
    expect(store.calls.filter(({ on }) => on === 'create')).toHaveLength(4);
  });

  it('damages what is read', async () => {
    const store = withFaults(memoryStore(), [
      { on: 'read', key: 'a', fault: { kind: 'flip', at: 2 } },
      { on: 'read', key: 'a', fault: { kind: 'short', bytes: 2 } },
      { on: 'read', key: 'a', fault: { kind: 'swap', with: 'b' } },
      { on: 'read', key: 'a', fault: { kind: 'missing' } },
    ]);
    await store.create('a', bytes('abcd'));
    await store.create('b', bytes('other'));
    expect((await readWhole(store, 'a')).toString()).toBe('abbd');
    expect((await readWhole(store, 'a')).toString()).toBe('ab');
    expect((await readWhole(store, 'a')).toString()).toBe('other');
    expect(await codeOf(() => readWhole(store, 'a'))).toBe('NoSuchObject');
    expect((await readWhole(store, 'a')).toString()).toBe('abcd');
  });

  it('drops bytes silently', async () => {
    const store = withFaults(memoryStore(), [{ on: 'create', fault: { kind: 'short', bytes: 3 } }]);
    await store.create('a', bytes('abcdef'));
    expect((await readWhole(store, 'a')).toString()).toBe('abc');
  });
});
