/** One block is compressed as one zstd frame; larger ones bring nothing. In bytes. */
const BLOCK_BYTES = 4 * 1024 * 1024;

/** Full blocks that wait for the writer; with those it compresses, this bounds the memory. */
const WAITING_MAX = 2;

/** Gathers text and rows into large blocks, for a writer that takes them as an async iterable. */
export interface SegmentStream {
  readonly blocks: AsyncIterable<Uint8Array>;
  text(sql: string): void;
  put(bytes: Buffer): void;
  /** A promise while the writer is behind; rejects once it failed. */
  pressure(): Promise<void> | undefined;
  end(): void;
  /** The writer gets this error where it would have gone on. */
  fail(error: unknown): void;
  /** Whoever fills the stream gets this error where it would have gone on. */
  abandon(error: unknown): void;
}

export const segmentStream = (): SegmentStream => {
  const waiting: Uint8Array[] = [];
  let block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  let used = 0;
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  let abandoned: { readonly error: unknown } | undefined;
  let wakeReader: (() => void) | undefined;
  let freed: PromiseWithResolvers<void> | undefined;

  const wake = (): void => {
    wakeReader?.();
    wakeReader = undefined;
  };
  const flush = (): void => {
    if (used === 0) return;
    waiting.push(block.subarray(0, used));
    block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    used = 0;
    wake();
  };
  const put = (bytes: Buffer): void => {
    for (let at = 0; at < bytes.length; ) {
      if (used === block.length) flush();
      const copied = bytes.copy(block, used, at);
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
  return {
    blocks: read(),
    put,
    text: (sql) => put(Buffer.from(sql)),
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
    abandon(error) {
      abandoned = { error };
      freed?.reject(error);
      freed = undefined;
      waiting.length = 0;
    },
  };
};
