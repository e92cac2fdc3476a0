import { BLOCK_BYTES } from '../../backup/codec.ts';
import { ordinal } from '../../backup/ordinal.ts';
import type { Json, Segment } from '../../backup/types.ts';
import type { TaskContext } from '../contract.ts';

/** Raw bytes after which a segment ends, at the next page: small enough to be held by whoever restores it. */
export const SEGMENT_RAW_BYTES = 16 * 1024 * 1024;

/** Tasks have their places this far apart: seal puts headers before and padding after what they wrote. */
const STEP = 10;
/** Highest place of a task: the end of the archive comes after it. */
const place = (task: number): number => (task + 1) * STEP;

export const beforeTask = (task: number) => ordinal(place(task) - 1, 0);
export const afterTask = (task: number) => ordinal(place(task) + 1, 0);
export const atBegin = ordinal(0, 0);
export const atEnd = (n: 0 | 1) => ordinal(999_999, n);

/** Writes one segment of the artifact: a piece of one deflate stream. */
export const writePiece = (
  context: TaskContext,
  n: number,
  raw: AsyncIterable<Uint8Array>,
  about: Json,
  recycle: (chunk: Uint8Array) => void = () => {},
): Promise<Segment> =>
  context.write.write(ordinal(place(context.task), n), raw, {
    encoding: 'deflate-raw-flushed',
    extension: 'deflate',
    context: about,
    recycle,
  });

/** Lines go in, segments come out. */
export interface LineWriter {
  /** Copies bytes `start` up to but not including `end`, and ends the line with `ending`. */
  line(bytes: Buffer, start: number, end: number, ending: Uint8Array): void;
  /** Between two pages: ends the segment when it is large enough, and waits for the store while it is behind. */
  page(): Promise<void>;
  end(): Promise<Segment[]>;
  abandon(): Promise<void>;
}

/** Blocks that wait to be filled again: those of one segment. */
const FREE_MAX = SEGMENT_RAW_BYTES / BLOCK_BYTES;

/** Segments are numbered from `first` on; at most one is being stored while the next one is filled. */
export const lineWriter = (
  context: TaskContext,
  first: number,
  about: (documents: number) => Json,
  rawMax = SEGMENT_RAW_BYTES,
): LineWriter => {
  let n = first;
  const free: Buffer[] = [];
  const giveBack = (chunk: Uint8Array): void => {
    if (chunk.buffer.byteLength === BLOCK_BYTES && free.length < FREE_MAX) free.push(Buffer.from(chunk.buffer));
  };
  let blocks: Buffer[] = [];
  let block: Buffer = Buffer.alloc(0);
  let used = 0;
  let rawBytes = 0;
  let documents = 0;
  let storing: Promise<Segment> | undefined;
  const segments: Segment[] = [];

  const put = (bytes: Uint8Array, start: number, end: number): void => {
    rawBytes += end - start;
    for (let at = start; at < end; ) {
      if (used === block.length) {
        if (used > 0) blocks.push(block);
        block = free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
        used = 0;
      }
      const taken = Math.min(end - at, block.length - used);
      block.set(bytes.subarray(at, at + taken), used);
      used += taken;
      at += taken;
    }
  };
  const settle = async (): Promise<void> => {
    if (storing !== undefined) segments.push(await storing);
    storing = undefined;
  };
  const finish = async (): Promise<void> => {
    await settle();
    if (rawBytes === 0) return;
    const whole = [...blocks, block.subarray(0, used)];
    storing = writePiece(context, n++, from(whole), about(documents), giveBack);
    storing.catch(() => {});
    [blocks, block, used, rawBytes, documents] = [[], Buffer.alloc(0), 0, 0, 0];
  };
  return {
    line(bytes, start, end, ending) {
      put(bytes, start, end);
      put(ending, 0, ending.length);
      documents++;
    },
    async page() {
      if (rawBytes >= rawMax) await finish();
    },
    async end() {
      await finish();
      await settle();
      return segments;
    },
    async abandon() {
      await storing?.catch(() => {});
    },
  };
};

async function* from(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}
