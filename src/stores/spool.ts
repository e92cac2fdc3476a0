import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Spool } from '../backup/segments.ts';
import { LifeboatError } from '../errors.ts';

/** Encoded bytes of a segment held in memory; usual segments are smaller, one huge row goes to a temporary file. */
const SPOOL_MEMORY_BYTES = 24 * 1024 * 1024;

const READ_CHUNK_BYTES = 1024 * 1024;

/** A spool that moves to a file in `folder` when it grows past SPOOL_MEMORY_BYTES. Fails with StoreFull when the disk is. */
export const temporarySpool = (folder: string): Spool => {
  let chunks: Uint8Array[] = [];
  let bytes = 0;
  let file: { readonly path: string; readonly handle: FileHandle } | undefined;

  const spill = async (): Promise<FileHandle> => {
    if (file !== undefined) return file.handle;
    await mkdir(folder, { recursive: true });
    const path = join(folder, `spool-${randomUUID()}`);
    file = { path, handle: await open(path, 'wx+', 0o600) };
    for (const chunk of chunks) await file.handle.appendFile(chunk);
    chunks = [];
    return file.handle;
  };

  return {
    async append(chunk) {
      bytes += chunk.length;
      if (file === undefined && bytes <= SPOOL_MEMORY_BYTES) {
        chunks.push(chunk);
        return;
      }
      try {
        await (await spill()).appendFile(chunk);
      } catch (error) {
        throw new LifeboatError('StoreFull', `no room for a temporary file in ${folder}`, {
          hint: 'One row or file of the source is larger than the free space there; give the function more ephemeral storage, or set TMPDIR.',
          cause: error,
        });
      }
    },
    async body() {
      if (file === undefined) return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
      const { path } = file;
      return {
        bytes,
        open: (start, end) => createReadStream(path, { start, end: end - 1, highWaterMark: READ_CHUNK_BYTES }),
      };
    },
    async discard() {
      chunks = [];
      if (file === undefined) return;
      const { path, handle } = file;
      file = undefined;
      await handle.close().catch(() => {});
      await unlink(path).catch(() => {});
    },
  };
};
