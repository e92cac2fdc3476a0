import type { Occurrence, Writer } from '../engines/writer.ts';
import { type Handler, openParser, type Start } from '../format/parse.ts';
import { boundYoungGeneration } from '../heap.ts';
import type { Entry, Tree } from '../model.ts';

/** Of one transaction: names, and bytes of what they hold. */
const BATCH_ENTRIES = 2000;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Bytes that are parsed before what they hold is written. */
const PIECE_BYTES = 256 * 1024;
/** What a name counts at least, in bytes. */
const ENTRY_BYTES = 300;

/** What was read since the last telling: bytes, and names that were written, with how many of them were new. */
export interface Progress {
  readonly bytes: number;
  readonly read: number;
  readonly fresh: number;
}

export interface LoadEntries {
  readonly start: Start;
  readonly signal: AbortSignal;
  readonly field?: Handler['field'];
  readonly root?: (tree: Tree) => void;
  /** What it throws ends the load. */
  progress(done: Progress): void;
}

/**
 * Reads a dump, or a piece of one, into an engine: one transaction after the other, while the next one is read. However it ends, nothing
 * is being written any more when it does.
 */
export const loadEntries = async (
  writer: Writer,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { start, signal, field = () => {}, root = () => {}, progress }: LoadEntries,
): Promise<void> => {
  const batches = openBatches();
  let writing: Promise<void> = Promise.resolve();
  let written = { read: 0, fresh: 0 };
  const parser = openParser(start, {
    field,
    root: (tree, entry) => {
      root(tree);
      batches.add({ entry, parent: 1n, root: true });
    },
    entry: (entry, parent) => batches.add({ entry, parent, root: false }),
  });
  const flush = async (bytes: number): Promise<void> => {
    for (const batch of batches.take()) {
      await writing;
      boundYoungGeneration();
      writing = writer.put(batch).then((fresh) => {
        written = { read: written.read + batch.filter((one) => !one.root).length, fresh: written.fresh + fresh };
      });
      // Who waits for it next fails with it.
      writing.catch(() => {});
    }
    const done = written;
    written = { read: 0, fresh: 0 };
    if (done.read > 0 || bytes > 0) progress({ bytes, ...done });
  };
  try {
    for await (const bytes of source)
      for (const piece of pieces(bytes)) {
        signal.throwIfAborted();
        parser.push(piece);
        await flush(piece.length);
      }
    parser.end();
    batches.close();
    await flush(0);
    await writing;
    await flush(0);
  } finally {
    await writing.catch(() => {});
  }
};

function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

const openBatches = () => {
  let full: Occurrence[][] = [];
  let batch: Occurrence[] = [];
  let bytes = 0;
  const close = (): void => {
    if (batch.length > 0) full.push(batch);
    batch = [];
    bytes = 0;
  };
  return {
    add(one: Occurrence): void {
      batch.push(one);
      bytes += bytesOf(one.entry);
      if (batch.length >= BATCH_ENTRIES || bytes >= BATCH_BYTES) close();
    },
    /** What is there is a batch, however small. */
    close,
    take(): readonly Occurrence[][] {
      const taken = full;
      full = [];
      return taken;
    },
  };
};

const bytesOf = ({ chunks, xattrs }: Entry): number => {
  let bytes = ENTRY_BYTES;
  if (chunks !== undefined) for (const { slices } of chunks) bytes += slices.length;
  if (xattrs !== undefined) for (const { value } of xattrs) bytes += value.length;
  return bytes;
};
