import type { Dir } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from './file-errors.ts';
import { infoAt } from './file-objects.ts';
import { isKey } from './keys.ts';
import type { ObjectInfo } from './store.ts';

/** Names of one folder held at a time; a larger one is read again for each batch. */
export const BATCH_NAMES = 20_000;

const STATS_AT_ONCE = 32;

const DIRENTS_AT_ONCE = 512;

interface Wanted {
  readonly prefix: string;
  readonly after: string;
  /** Keys that begin with this may be here, as far as the folder's own key goes. */
  readonly batch?: number;
}

/** Objects below `folder`, whose own key is `at` (empty, or with a slash at the end), in byte order of their keys. */
export async function* walk(folder: string, at: string, wanted: Wanted): AsyncGenerator<ObjectInfo> {
  for await (const keys of batches(folder, at, wanted)) {
    for (let i = 0; i < keys.length; i += STATS_AT_ONCE) {
      const group = keys.slice(i, i + STATS_AT_ONCE);
      const infos = await Promise.all(group.map((key) => (isFolder(key) ? undefined : infoAt(join(folder, key.slice(at.length)), key))));
      for (const [index, key] of group.entries()) {
        const info = infos[index];
        if (isFolder(key)) yield* walk(join(folder, key.slice(at.length)), key, wanted);
        else if (info !== undefined) yield info;
      }
    }
  }
}

const isFolder = (key: string): boolean => key.endsWith('/');

/** Folders sort with their slash: `a-b` comes before what lies in `a/`, and `a0` after it. */
async function* batches(folder: string, at: string, wanted: Wanted): AsyncGenerator<readonly string[]> {
  const { batch = BATCH_NAMES } = wanted;
  for (let last = ''; ; ) {
    const keys = await smallest(folder, at, last, wanted, batch);
    if (keys.length === 0) return;
    yield keys;
    if (keys.length < batch) return;
    last = keys.at(-1) ?? '';
  }
}

/** The first `batch` wanted keys after `last`, sorted. */
const smallest = async (folder: string, at: string, last: string, wanted: Wanted, batch: number): Promise<string[]> => {
  const directory = await openFolder(folder);
  if (directory === undefined) return [];
  let keys: string[] = [];
  for await (const entry of directory) {
    const key = entry.isDirectory() ? `${at}${entry.name}/` : at + entry.name;
    if (key <= last || !(entry.isDirectory() || entry.isFile()) || !isWanted(key, wanted)) continue;
    keys.push(key);
    if (keys.length >= 2 * batch) keys = keys.sort().slice(0, batch);
  }
  return keys.sort().slice(0, batch);
};

const openFolder = async (folder: string): Promise<Dir | undefined> => {
  try {
    return await opendir(folder, { bufferSize: DIRENTS_AT_ONCE });
  } catch (error) {
    // It was pruned a moment ago.
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
};

const isWanted = (key: string, { prefix, after }: Wanted): boolean => {
  if (!isFolder(key)) return key.startsWith(prefix) && key > after && isKey(key);
  const mayHold = key.startsWith(prefix) || prefix.startsWith(key);
  return mayHold && (key > after || after.startsWith(key)) && isKey(key.slice(0, -1));
};
