import { randomUUID } from 'node:crypto';
import { type FileHandle, lstat, open, opendir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LifeboatError } from '../errors.ts';
import { bodyChanged } from './body.ts';
import { systemCode } from './file-errors.ts';
import { kindOf, makeFolder } from './file-folders.ts';
import { TEMPORARY_FOLDER } from './keys.ts';
import type { Body } from './store.ts';

/** A temporary file that nobody has written to for this long belongs to a process that is gone. */
const TEMPORARY_STALE_MS = 60 * 60 * 1000;

/** Write-once objects are read-only; a mode with the owner's write bit marks what `replace` wrote. */
export const CREATED_MODE = 0o440;
export const REPLACED_MODE = 0o640;

/** Written at once, between two looks at the signal. */
const WRITE_BYTES = 8 * 1024 * 1024;

const SUFFIX = '.tmp';

export const lockPath = (root: string): string => join(root, TEMPORARY_FOLDER, 'lock');

/** Makes the folder for what is not stored yet; it is on the store's own file system, or link() would refuse. */
export const makeTemporaryFolder = async (root: string): Promise<void> => {
  const path = join(root, TEMPORARY_FOLDER);
  await makeFolder(root, path);
  if ((await kindOf(path)) !== 'folder') throw new LifeboatError('StoreKeyInvalid', `${path} is no folder`);
};

/** Writes a body to a new file and on to the disk, and hands its path to `use`; whatever happens, the file is removed then. */
export const withTemporary = async <T>(
  root: string,
  body: Body,
  mode: number,
  signal: AbortSignal | undefined,
  use: (path: string) => Promise<T>,
): Promise<T> => {
  const path = join(root, TEMPORARY_FOLDER, randomUUID() + SUFFIX);
  try {
    await write(path, body, mode, signal);
    return await use(path);
  } finally {
    // Where even this fails, sweeping removes it, and the first error is the one to hear of.
    await rm(path, { force: true }).catch(() => {});
  }
};

const write = async (path: string, body: Body, mode: number, signal: AbortSignal | undefined): Promise<void> => {
  const handle = await open(path, 'wx', mode);
  try {
    if (body instanceof Uint8Array) {
      await writeAll(handle, body, signal);
    } else {
      let bytes = 0;
      for await (const chunk of body.open(0, body.bytes)) {
        bytes += chunk.length;
        await writeAll(handle, chunk, signal);
      }
      if (bytes !== body.bytes) throw bodyChanged(body.bytes, bytes);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
};

const writeAll = async (handle: FileHandle, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> => {
  for (let position = 0; position < bytes.length; ) {
    signal?.throwIfAborted();
    position += (await handle.write(bytes, position, Math.min(WRITE_BYTES, bytes.length - position))).bytesWritten;
  }
};

/** Removes what killed processes left behind. */
export const sweepTemporary = async (root: string, now: number): Promise<void> => {
  const folder = join(root, TEMPORARY_FOLDER);
  for await (const entry of await opendir(folder)) {
    if (!entry.name.endsWith(SUFFIX)) continue;
    const path = join(folder, entry.name);
    try {
      if (now - (await lstat(path)).mtimeMs > TEMPORARY_STALE_MS) await rm(path, { force: true });
    } catch (error) {
      // Another process sweeps as well, or it is another user's.
      if (!['ENOENT', 'EACCES', 'EPERM'].includes(systemCode(error))) throw error;
    }
  }
};
