import { link, lstat, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LifeboatError } from '../errors.ts';
import { boundsOf } from './body.ts';
import { fileError, systemCode } from './file-errors.ts';
import { folderOf, isFolder, kindOf, makeRoot, removeEmpty, syncFolder } from './file-folders.ts';
import { walk } from './file-list.ts';
import { withLock } from './file-lock.ts';
import { infoAt, isReplaceable, openFile, readBytes, tagOf } from './file-objects.ts';
import { CREATED_MODE, lockPath, makeTemporaryFolder, REPLACED_MODE, sweepTemporary, withTemporary } from './file-temporary.ts';
import { checkKey, checkPrefix, checkReplaced } from './keys.ts';
import type { Store } from './store.ts';

/** A prune may remove an empty folder between its making and the link; more often than this is no coincidence. */
const LINK_TRIES = 8;

/**
 * A store in a folder. The folder is made by the first `create` or `replace`; before that it is as an empty prefix of a bucket,
 * except that `read` fails with NoSuchStore. Version ids are ignored, so that a copy of a bucket can be read.
 */
export const fileStore = (root: string): Store => {
  const url = pathToFileURL(root).href;

  const ready = once(async () => {
    if ((await kindOf(root)) === 'file') throw notAStore(url);
    if (!(await isFolder(root))) await makeRoot(root);
    await makeTemporaryFolder(root);
    await sweepTemporary(root, Date.now());
  });

  const named = async <T>(doing: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw fileError(error, doing);
    }
  };

  return {
    url,
    bucket: url,
    prefix: '',

    create(key, body, signal) {
      return named(`write ${url}/${key}`, async () => {
        checkKey(key);
        signal?.throwIfAborted();
        await ready();
        const folder = await folderOf(root, key, false);
        if (folder !== undefined && (await isTaken(root, key))) {
          // Whoever wrote it may not have come to this.
          await syncFolder(folder);
          return { created: false };
        }
        return withTemporary(root, body, CREATED_MODE, signal, async (path) => ({ created: await publish(root, key, path) }));
      });
    },

    async *read(key, { range, signal } = {}) {
      checkKey(key);
      signal?.throwIfAborted();
      try {
        if ((await folderOf(root, key, false)) === undefined) throw await missing(root, url, key);
        const handle = await openFile(join(root, key));
        try {
          const stats = await handle.stat();
          if (!stats.isFile()) throw await missing(root, url, key);
          const { start, end } = boundsOf(range, stats.size);
          yield* readBytes(handle, start, end, signal);
        } finally {
          await handle.close();
        }
      } catch (error) {
        throw ['ENOENT', 'ENOTDIR'].includes(systemCode(error)) ? await missing(root, url, key) : fileError(error, `read ${url}/${key}`);
      }
    },

    head(key) {
      return named(`look at ${url}/${key}`, async () => {
        checkKey(key);
        return (await folderOf(root, key, false)) === undefined ? undefined : infoAt(join(root, key), key);
      });
    },

    async *list(prefix, { after = '' } = {}) {
      checkPrefix(prefix);
      const at = prefix.slice(0, prefix.lastIndexOf('/') + 1);
      try {
        const folder = await folderOf(root, at, false);
        if (folder !== undefined) yield* walk(folder, at, { prefix, after });
      } catch (error) {
        throw systemCode(error) === 'ENOTDIR' ? notAStore(url) : fileError(error, `list ${url}/${prefix}`);
      }
    },

    delete(key) {
      return named(`delete ${url}/${key}`, async () => {
        checkKey(key);
        const folder = await folderOf(root, key, false);
        if (folder === undefined) return;
        const path = join(root, key);
        const stats = await lstat(path, { bigint: true }).catch(undefinedIfMissing);
        if (stats === undefined || stats.isDirectory()) return;
        if (isReplaceable(stats)) {
          await ready();
          await withLock(lockPath(root), () => remove(path));
        } else {
          await remove(path);
        }
        await removeEmpty(root, folder);
      });
    },

    replace(key, body, ifMatch) {
      return named(`replace ${url}/${key}`, async () => {
        checkReplaced(key, body);
        await ready();
        return withTemporary(root, body, REPLACED_MODE, undefined, (temporary) =>
          withLock(lockPath(root), async () => {
            const folder = await folderOf(root, key, true);
            const current = await infoAt(join(root, key), key);
            if (folder === undefined || (current?.etag ?? null) !== ifMatch) return undefined;
            // A create does not take the lock: only link() sees it.
            if (current === undefined) return (await publish(root, key, temporary)) ? tagOf(body) : undefined;
            await rename(temporary, join(root, key));
            await syncFolder(folder);
            return tagOf(body);
          }),
        );
      });
    },
  };
};

/** Enters a finished file under its key, for good; false when the key is taken. */
const publish = async (root: string, key: string, temporary: string): Promise<boolean> => {
  const target = join(root, key);
  for (let tries = 1; ; tries++) {
    await folderOf(root, key, true);
    try {
      await link(temporary, target);
      await syncFolder(dirname(target));
      return true;
    } catch (error) {
      if (systemCode(error) === 'EEXIST' && (await isTaken(root, key))) {
        await syncFolder(dirname(target));
        return false;
      }
      if (systemCode(error) === 'EPERM') throw noLinks(root, error);
      if (!['ENOENT', 'EEXIST'].includes(systemCode(error)) || tries === LINK_TRIES) throw error;
    }
  }
};

const noLinks = (root: string, cause: unknown): LifeboatError =>
  new LifeboatError('Unsupported', `the file system of ${root} refuses hard links`, {
    hint: 'A store needs them to write without ever overwriting; keep it on another file system.',
    cause,
  });

const isTaken = async (root: string, key: string): Promise<boolean> => {
  const kind = await kindOf(join(root, key));
  if (kind === 'nothing' || kind === 'file') return kind === 'file';
  throw new LifeboatError(
    'StoreKeyInvalid',
    `key ${key} is taken by a ${kind === 'folder' ? 'folder' : 'symbolic link or device'} in ${root}`,
  );
};

const remove = async (path: string): Promise<void> => {
  await unlink(path).catch(undefinedIfMissing);
  // What is deleted first (a manifest) must be gone first, also after a power cut.
  await syncFolder(dirname(path)).catch(undefinedIfMissing);
};

const undefinedIfMissing = (error: unknown): undefined => {
  if (systemCode(error) !== 'ENOENT') throw error;
};

const missing = async (root: string, url: string, key: string): Promise<LifeboatError> =>
  (await isFolder(root)) ? new LifeboatError('NoSuchObject', `there is no ${key} in ${url}`) : notAStore(url);

const notAStore = (url: string): LifeboatError =>
  new LifeboatError('NoSuchStore', `there is no store at ${url}`, {
    hint: 'Check the path; a folder is made by the first backup into it.',
  });

/** Runs `work` at the first call; a failure is not kept, the next call tries again. */
const once = (work: () => Promise<void>): (() => Promise<void>) => {
  let running: Promise<void> | undefined;
  return () => {
    running ??= work().catch((error: unknown) => {
      running = undefined;
      throw error;
    });
    return running;
  };
};
