import type { Segment } from './types.ts';

/** One block is compressed as one zstd frame; larger ones bring nothing. In bytes. */
export const BLOCK_BYTES = 4 * 1024 * 1024;

/** Full blocks that wait for the writer; with those it compresses, this bounds the memory. */
const WAITING_MAX = 2;

/** Blocks that are kept for later: what one segment fills while another is stored. More were only made while a store was slow. */
const FREE_MAX = 8;

/** Buffers for blocks. What comes back is filled again: allocating and collecting them costs as much as reading the rows. */
export interface BlockPool {
  take(): Buffer;
  /** Takes a block, or a part of one, back; what was not taken here is left alone. */
  giveBack(block: Uint8Array): void;
}

export const blockPool = (): BlockPool => {
  // Weak: a writer that failed gives nothing back.
  const owned = new WeakSet<ArrayBufferLike>();
  const free: Buffer[] = [];
  return {
    take() {
      const block = free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
      owned.add(block.buffer);
      return block;
    },
    giveBack({ buffer }) {
      // Once only: a block that came back is not given out to two.
      if (owned.delete(buffer) && free.length < FREE_MAX) free.push(Buffer.from(buffer));
    },
  };
};

/** One a process: the tasks that it runs one after the other share their blocks. */
const shared = blockPool();

/** Gathers text and rows into large blocks, for a writer that takes them as an async iterable. */
export interface SegmentStream {
  readonly blocks: AsyncIterable<Uint8Array>;
  readonly rawBytes: number;
  text(sql: string): void;
  /** Takes `bytes[start, end)`: by copy, unless they are BLOCK_BYTES or more. */
  put(bytes: Buffer, start: number, end: number): void;
  /** A promise while the writer is behind; rejects once it failed. */
  pressure(): Promise<void> | undefined;
  end(): void;
  /** The writer gets this error where it would have gone on. */
  fail(error: unknown): void;
}

export interface OpenSegment extends SegmentStream {
  /** Resolves once the store has the segment. */
  readonly written: Promise<Segment>;
}

/** Begins a segment: `write` takes its blocks while they are made, and hands those that it has read to `recycle`. */
export const openSegment = (
  write: (blocks: AsyncIterable<Uint8Array>, recycle: BlockPool['giveBack']) => Promise<Segment>,
  pool: BlockPool = shared,
): OpenSegment => {
  const stream = segmentStream(pool);
  const written = write(stream.blocks, pool.giveBack);
  // Whoever fills the stream learns of it at once, not when it waits for the segment.
  written.catch((error: unknown) => stream.abandon(error));
  return Object.assign(stream.filling, { written });
};

const segmentStream = (pool: BlockPool): { blocks: AsyncIterable<Uint8Array>; filling: SegmentStream; abandon(error: unknown): void } => {
  const waiting: Uint8Array[] = [];
  let block: Buffer = Buffer.alloc(0);
  let used = 0;
  let rawBytes = 0;
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  let abandoned: { readonly error: unknown } | undefined;
  let wakeReader: (() => void) | undefined;
  let freed: PromiseWithResolvers<void> | undefined;

  const wake = () => {
    wakeReader?.();
    wakeReader = undefined;
  };
  const flush = () => {
    if (used === 0) return;
    waiting.push(block.subarray(0, used));
    block = Buffer.alloc(0);
    used = 0;
    wake();
  };
  const put = (bytes: Buffer, start: number, end: number) => {
    rawBytes += end - start;
    let at = start;
    if (end - start >= BLOCK_BYTES) {
      flush();
      // So long a row has a buffer of its own: no need for a second copy of it.
      for (; at < end; at += BLOCK_BYTES) waiting.push(bytes.subarray(at, Math.min(end, at + BLOCK_BYTES)));
      return wake();
    }
    while (at < end) {
      if (used === block.length) {
        flush();
        block = pool.take();
      }
      const copied = bytes.copy(block, used, at, end);
      used += copied;
      at += copied;
    }
  };
  async function* read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) {
        if (waiting.length < WAITING_MAX) {
          freed?.resolve();
          freed = undefined;
        }
        yield next;
      } else if (failure !== undefined) throw failure.error;
      else if (ended) return;
      else await new Promise<void>((resolve) => (wakeReader = resolve));
    }
  }
  const blocks = read();
  const filling: SegmentStream = {
    blocks,
    get rawBytes() {
      return rawBytes;
    },
    text(sql) {
      const bytes = Buffer.from(sql);
      put(bytes, 0, bytes.length);
    },
    put,
    pressure() {
      if (abandoned !== undefined) return Promise.reject(abandoned.error);
      if (waiting.length < WAITING_MAX) return undefined;
      freed ??= Promise.withResolvers<void>();
      return freed.promise;
    },
    end() {
      flush();
      ended = true;
      wake();
    },
    fail(error) {
      failure = { error };
      wake();
    },
  };
  return {
    blocks,
    filling,
    abandon(error) {
      abandoned = { error };
      freed?.reject(error);
      freed = undefined;
      waiting.length = 0;
    },
  };
};
