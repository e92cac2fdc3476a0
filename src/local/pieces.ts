import { createReadStream } from 'node:fs';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { Ordinal } from '../backup/types.ts';

/** Where the segments of a dump without a store go. */
export interface Pieces {
  append(ordinal: Ordinal, chunk: Uint8Array): Promise<void>;
  /** Once all segments are there. */
  end(): Promise<void>;
  /** Whatever happened. */
  discard(): Promise<void>;
}

/** For artifacts whose segments come in their order: nothing is held. */
export const inOrder = (out: Writable): Pieces => ({
  append: (_ordinal, chunk) => writeChunk(out, chunk),
  end: async () => {},
  discard: async () => {},
});

/** For artifacts whose first bytes are known last: segments wait in a temporary folder, compressed, until all are there. */
export const heldBack = (out: Writable): Pieces => {
  const ordinals = new Set<Ordinal>();
  let folder: Promise<string> | undefined;
  const pathOf = async (ordinal: Ordinal): Promise<string> => {
    folder ??= mkdtemp(join(tmpdir(), 'lifeboat-dump-'));
    return join(await folder, ordinal);
  };
  return {
    async append(ordinal, chunk) {
      ordinals.add(ordinal);
      await appendFile(await pathOf(ordinal), chunk, { mode: 0o600 });
    },
    async end() {
      for (const ordinal of [...ordinals].sort())
        for await (const chunk of createReadStream(await pathOf(ordinal)) as AsyncIterable<Uint8Array>) await writeChunk(out, chunk);
    },
    async discard() {
      if (folder !== undefined) await rm(await folder, { recursive: true, force: true });
    },
  };
};

/** Waits for the reader; its going away fails the dump. */
const writeChunk = (out: Writable, chunk: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    out.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
