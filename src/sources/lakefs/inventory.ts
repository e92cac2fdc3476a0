import { ordinal } from '../../backup/ordinal.ts';
import type { Json, Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { SegmentSource, TaskContext } from '../contract.ts';
import type { Item } from './copies.ts';
import { InventoryLineSchema, SegmentContextSchema } from './tasks.ts';

/** Lines are joined up to this size before they are compressed. */
const BLOCK_BYTES = 256 * 1024;
/** A key is a KiB at most. */
const LINE_MAX_BYTES = 1024 * 1024;

/** Sorted JSONL of what a backup needs of the pool. Sorts `items`. */
export const writeInventory = (context: TaskContext, n: number, items: Item[], of?: 'imported' | 'uncommitted'): Promise<Segment> => {
  items.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const lines = function* (): Generator<string> {
    for (const { key, bytes } of items) yield `${JSON.stringify({ key, bytes })}\n`;
  };
  const [first, last] = [items[0]?.key ?? '', items.at(-1)?.key ?? ''];
  return writeLines(context, n, lines(), { kind: 'objects', first, last, count: items.length, ...(of === undefined ? {} : { of }) });
};

export const writeLines = (context: TaskContext, n: number, lines: Iterable<string>, about: Json): Promise<Segment> =>
  context.write.write(ordinal(context.task, n), blocks(lines), {
    encoding: 'zstd',
    extension: 'jsonl.zst',
    role: 'inventory',
    context: about,
  });

async function* blocks(lines: Iterable<string>): AsyncGenerator<Uint8Array> {
  let held: string[] = [];
  let bytes = 0;
  for (const line of lines) {
    held.push(line);
    bytes += line.length;
    if (bytes < BLOCK_BYTES) continue;
    yield Buffer.from(held.join(''));
    held = [];
    bytes = 0;
  }
  if (held.length > 0) yield Buffer.from(held.join(''));
}

/** Parsed lines of a segment of JSONL. Fails with ManifestInvalid on one that is none. */
export async function* readLines(read: SegmentSource, segment: Segment): AsyncGenerator<unknown> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of read.read(segment)) {
    let from = 0;
    const bytes = rest.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([rest, chunk]);
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      yield parseLine(bytes.toString('utf8', from, end), segment);
      from = end + 1;
    }
    rest = Buffer.from(bytes.subarray(from));
    if (rest.length > LINE_MAX_BYTES)
      throw new LifeboatError('ManifestInvalid', `a line of segment ${segment.ordinal} is longer than ${LINE_MAX_BYTES} bytes`);
  }
  if (rest.length > 0) yield parseLine(rest.toString('utf8'), segment);
}

const parseLine = (line: string, segment: Segment): unknown => {
  try {
    return parseJson(line);
  } catch (cause) {
    throw new LifeboatError('ManifestInvalid', `a line of segment ${segment.ordinal} is not JSON`, { cause });
  }
};

export async function* readInventory(read: SegmentSource, segment: Segment): AsyncGenerator<Item> {
  for await (const line of readLines(read, segment)) yield InventoryLineSchema.parse(line);
}

/** What a segment of this kind of backup holds. Fails with ManifestInvalid. */
export const contextOf = (segment: Segment): ReturnType<typeof SegmentContextSchema.parse> => {
  const context = SegmentContextSchema.safeParse(segment.context);
  if (context.success) return context.data;
  throw new LifeboatError('ManifestInvalid', `segment ${segment.ordinal} does not say what it holds`, { cause: context.error });
};
