import { describe, expect, it } from 'vitest';
import { memoryClaims, storeClaims } from '../../src/backup/claims.ts';
import type { Claims } from '../../src/sources/contract.ts';
import { memoryStore } from '../../src/stores/memory.ts';

const inStore = (): ((task: number) => Claims) => {
  const store = memoryStore();
  return (task) => storeClaims(store, 'catalog/runs/b/dump/', task);
};

describe.each([
  ['in a store', inStore],
  ['in memory', memoryClaims],
])('claims %s', (_, open) => {
  it('give each name to one task, however many ask at once', async () => {
    const claims = open();
    const names = Array.from({ length: 20 }, (_unused, n) => `chunk-${n}`);
    const taken = await Promise.all([0, 1, 2].map((task) => Promise.all(names.map((name) => claims(task).take(name)))));
    for (const [n] of names.entries()) expect(taken.filter((own) => own[n])).toHaveLength(1);
  });

  it('answer the same again, so that an answer that got lost costs nothing', async () => {
    const claims = open();
    expect(await claims(1).isTaken('barrier')).toBe(false);
    expect(await claims(1).take('barrier')).toBe(true);
    expect(await claims(1).take('barrier')).toBe(true);
    expect(await claims(0).take('barrier')).toBe(false);
    expect(await claims(0).isTaken('barrier')).toBe(true);
    expect(await claims(0).isTaken('other')).toBe(false);
  });
});
