import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { LifeboatError } from '../errors.ts';
import { systemCode } from './file-errors.ts';
import { REPLACED_MAX_BYTES } from './keys.ts';
import type { ObjectInfo } from './store.ts';

/** One read; large enough that the system call does not matter. */
const READ_CHUNK_BYTES = 1024 * 1024;

const OWNER_MAY_WRITE = 0o200n;

/** What lies at a path; undefined when that is no regular file. */
export const infoAt = async (path: string, key: string): Promise<ObjectInfo | undefined> => {
  let stats: BigIntStats;
  let etag: string;
  try {
    stats = await lstat(path, { bigint: true });
    if (!stats.isFile()) return undefined;
    etag = isReplaceable(stats)
      ? await contentTag(path)
      : `${stats.ino.toString(16)}-${stats.size.toString(16)}-${stats.mtimeNs.toString(16)}`;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error))) return undefined;
    throw error;
  }
  return { key, bytes: Number(stats.size), modified: new Date(Number(stats.mtimeMs)), etag };
};

/** Inode, size and time say which write-once file this is; what is replaced can have all three again within one tick of the clock. */
export const isReplaceable = (stats: BigIntStats): boolean => (stats.mode & OWNER_MAY_WRITE) !== 0n && stats.size <= REPLACED_MAX_BYTES;

const contentTag = async (path: string): Promise<string> => {
  const handle = await openFile(path);
  try {
    return tagOf(await handle.readFile());
  } finally {
    await handle.close();
  }
};

export const tagOf = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex').slice(0, 32);

/** Without following a symbolic link, and without waiting at a pipe. */
export const openFile = (path: string): Promise<FileHandle> => open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);

/** Each chunk is the reader's to keep. Fails with StoreUnavailable when the file became shorter. */
export async function* readBytes(handle: FileHandle, start: number, end: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let position = start; position < end; ) {
    signal?.throwIfAborted();
    const chunk = Buffer.allocUnsafeSlow(Math.min(READ_CHUNK_BYTES, end - position));
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, position);
    if (bytesRead === 0) throw new LifeboatError('StoreUnavailable', `a file of ${end} bytes ended at ${position} while it was read`);
    position += bytesRead;
    yield bytesRead === chunk.length ? chunk : chunk.subarray(0, bytesRead);
  }
}
