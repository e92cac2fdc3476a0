import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../errors.ts';

/** Whoever holds the lock writes one small file; longer than this means a hanging disk. */
const LOCK_WAIT_MS = 30_000;

/** Between two tries, with as much again at random. */
const LOCK_RETRY_MS = 4;

const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;

/**
 * Runs `work` while no other process of this machine does the same on `path`. The lock is SQLite's, an fcntl lock in the end:
 * the kernel gives it back when its holder dies, so none is ever stale. The file stays empty.
 */
export const withLock = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
  const lock = open(path);
  try {
    await acquire(lock, path);
    return await work();
  } finally {
    lock.close();
  }
};

const acquire = async (lock: DatabaseSync, path: string): Promise<void> => {
  for (let waited = 0; ; ) {
    try {
      lock.exec('BEGIN EXCLUSIVE');
      return;
    } catch (error) {
      if (errcode(error) !== SQLITE_BUSY) throw lockFailed(path, error);
      if (waited > LOCK_WAIT_MS)
        throw new LifeboatError('StoreUnavailable', `${path} has been locked for ${LOCK_WAIT_MS / 1000} s`, { cause: error });
    }
    const pause = LOCK_RETRY_MS * (1 + Math.random());
    await sleep(pause);
    waited += pause;
  }
};

const open = (path: string): DatabaseSync => {
  try {
    return new DatabaseSync(path);
  } catch (error) {
    throw lockFailed(path, error);
  }
};

const errcode = (error: unknown): unknown => (error instanceof Error && 'errcode' in error ? error.errcode : undefined);

const lockFailed = (path: string, cause: unknown): LifeboatError =>
  new LifeboatError(errcode(cause) === SQLITE_FULL ? 'StoreFull' : 'StoreDenied', `could not lock ${path}`, {
    hint: 'This user must be able to write to that file, and the file system must have locks.',
    cause,
  });
