import type { Claims } from '../sources/contract.ts';
import type { Store } from '../stores/store.ts';
import { createJson, readJson } from './objects.ts';

/** Claims as write-once objects below `prefix`. A write whose answer got lost is found again by its owner. */
export const storeClaims = (control: Store, prefix: string, task: number): Claims => ({
  async take(name) {
    if (await createJson(control, keyOf(prefix, name), { task })) return true;
    const found = await readJson(control, keyOf(prefix, name));
    return typeof found === 'object' && found !== null && 'task' in found && found.task === task;
  },
  isTaken: async (name) => (await control.head(keyOf(prefix, name))) !== undefined,
});

const keyOf = (prefix: string, name: string): string => `${prefix}claims/${name}.json`;

/** Claims of tasks that run in one process. */
export const memoryClaims = (): ((task: number) => Claims) => {
  const owners = new Map<string, number>();
  return (task) => ({
    async take(name) {
      if (!owners.has(name)) owners.set(name, task);
      return owners.get(name) === task;
    },
    isTaken: async (name) => owners.has(name),
  });
};
