import { lstat, mkdir, open, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LifeboatError } from '../errors.ts';
import { systemCode } from './file-errors.ts';

/** Backups hold what the source holds; others on the machine have no business there. */
const FOLDER_MODE = 0o750;

/** Makes what was entered into a folder survive a power cut. */
export const syncFolder = async (path: string): Promise<void> => {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems cannot sync a folder; they write through instead.
    if (!['EINVAL', 'ENOTSUP', 'ENOSYS'].includes(systemCode(error))) throw error;
  } finally {
    await handle.close();
  }
};

/** Makes the root, with its parents, where it is missing. One by one: asked for all, Node says ENOENT where one may not be made. */
export const makeRoot = async (root: string): Promise<void> => {
  const missing: string[] = [];
  for (let path = root; !(await isFolder(path)) && path !== dirname(path); path = dirname(path)) missing.unshift(path);
  for (const path of missing) await makeFolder(dirname(path), path);
};

/**
 * The folder of a key, entered name by name so that no symbolic link below the root is followed. Undefined when it is not there
 * and `make` is not set. Fails with StoreKeyInvalid at a link, and when a folder cannot be made because something else is there.
 */
export const folderOf = async (root: string, key: string, make: boolean): Promise<string | undefined> => {
  let path = root;
  for (const name of key.split('/').slice(0, -1)) {
    const parent = path;
    path = join(parent, name);
    const kind = await kindOf(path);
    if (kind === 'folder') continue;
    if (kind === 'link' || (make && kind !== 'nothing')) throw notAFolder(key, path, kind);
    if (!make) return undefined;
    await makeFolder(parent, path);
  }
  return path;
};

export const makeFolder = async (parent: string, path: string): Promise<void> => {
  try {
    await mkdir(path, { mode: FOLDER_MODE });
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
  await syncFolder(parent);
};

const notAFolder = (key: string, path: string, kind: Kind): LifeboatError =>
  new LifeboatError('StoreKeyInvalid', `key ${key} passes through ${path}, which is ${kind === 'link' ? 'a symbolic link' : 'no folder'}`, {
    hint: 'A store keeps to its own folder: symbolic links in it are not followed.',
  });

export type Kind = 'folder' | 'file' | 'link' | 'other' | 'nothing';

export const kindOf = async (path: string): Promise<Kind> => {
  try {
    const stats = await lstat(path);
    if (stats.isDirectory()) return 'folder';
    if (stats.isFile()) return 'file';
    return stats.isSymbolicLink() ? 'link' : 'other';
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error))) return 'nothing';
    throw error;
  }
};

/** The root itself may be a link. */
export const isFolder = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error))) return false;
    throw error;
  }
};

/** Removes the folders from `folder` up to the root that have become empty. */
export const removeEmpty = async (root: string, folder: string): Promise<void> => {
  for (let path = folder; path !== root; path = dirname(path)) {
    try {
      await rmdir(path);
    } catch (error) {
      if (['ENOTEMPTY', 'EEXIST', 'EBUSY', 'EACCES', 'EPERM'].includes(systemCode(error))) return;
      if (systemCode(error) !== 'ENOENT') throw error;
    }
  }
};
