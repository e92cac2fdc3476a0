import { createWriteStream, type WriteStream } from 'node:fs';
import { access, link, mkdir, open, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { LifeboatError } from '../errors.ts';

export interface Output {
  readonly stream: WriteStream;
  /** Makes the file durable and gives it its name. Fails with Usage when the name was taken meanwhile. */
  publish(): Promise<void>;
  /** Removes what was not published. */
  discard(): Promise<void>;
}

/** A file that has its name only once it is whole. Fails with Usage when there is a file of that name. */
export const openOutput = async (name: string, cwd: string): Promise<Output> => {
  const path = resolve(cwd, name);
  if (await exists(path)) throw taken(name);
  await mkdir(dirname(path), { recursive: true });
  const partial = `${path}.partial`;
  const file = await open(partial, 'wx').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST')
      throw new LifeboatError('Usage', `there is a ${name}.partial`, {
        hint: 'Another dump writes it, or one was killed: remove it then.',
        cause,
      });
    throw new LifeboatError('PermissionDenied', `cannot write ${name}: ${cause.message}`, { cause });
  });
  const stream = createWriteStream(partial, { fd: file, flush: true });
  return {
    stream,
    publish: async () => {
      await link(partial, path).catch((cause: NodeJS.ErrnoException) => {
        throw cause.code === 'EEXIST' ? taken(name) : cause;
      });
    },
    discard: async () => {
      stream.destroy();
      await rm(partial, { force: true });
    },
  };
};

const taken = (name: string): LifeboatError =>
  new LifeboatError('Usage', `there is a file ${name}`, { hint: 'Nothing is overwritten: give another name.' });

const exists = async (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
