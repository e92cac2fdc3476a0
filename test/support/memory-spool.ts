import type { Spool } from '../../src/backup/segments.ts';

/** For tests whose segments are small. */
export const memorySpool = (): Spool => {
  let chunks: Uint8Array[] = [];
  return {
    append: async (bytes) => void chunks.push(bytes),
    body: async () => Buffer.concat(chunks),
    discard: async () => {
      chunks = [];
    },
  };
};
