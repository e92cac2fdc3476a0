import { LifeboatError } from '../errors.ts';

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const DENIED = new Set(['EACCES', 'EPERM', 'EROFS']);
const NOT_A_KEY = new Set(['ENAMETOOLONG', 'ENOTDIR', 'EISDIR', 'ELOOP', 'EINVAL']);
const PASSING = new Set(['EIO', 'ESTALE', 'EMFILE', 'ENFILE', 'ENOMEM', 'ETIMEDOUT', 'EBUSY', 'EAGAIN', 'EINTR', 'ENOENT']);

/** The code of an operating system's error, or an empty text. */
export const systemCode = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** What a failed system call means for a store; `doing` is like `write file:///path/key`. Anything unknown comes back as it is. */
export const fileError = (error: unknown, doing: string): unknown => {
  const code = systemCode(error);
  if (error instanceof LifeboatError || code === '') return error;
  if (FULL.has(code))
    return new LifeboatError('StoreFull', `could not ${doing}: no space left (${code})`, {
      hint: 'Make room there, or prune old backups; nothing half-written was kept.',
      cause: error,
    });
  if (DENIED.has(code))
    return new LifeboatError('StoreDenied', `could not ${doing}: permission denied (${code})`, {
      hint: 'Give this user write access to the folder, or choose another one.',
      cause: error,
    });
  if (NOT_A_KEY.has(code))
    return new LifeboatError('StoreKeyInvalid', `could not ${doing}: the file system refuses the key (${code})`, { cause: error });
  if (code === 'EXDEV')
    return new LifeboatError('ConfigInvalid', `could not ${doing}: a folder of the store lies on another file system`, {
      hint: 'Keep the whole store on one file system.',
      cause: error,
    });
  if (code === 'ENOTSUP' || code === 'EOPNOTSUPP' || code === 'ENOSYS')
    return new LifeboatError('Unsupported', `could not ${doing}: the file system cannot do that (${code})`, {
      hint: 'A store needs a file system with hard links.',
      cause: error,
    });
  if (PASSING.has(code)) return new LifeboatError('StoreUnavailable', `could not ${doing} (${code})`, { cause: error });
  return error;
};
