import type { DigestFactory } from '../../../backup/digest.ts';
import { ordinal } from '../../../backup/ordinal.ts';
import type { ClassDigest, Json, Segment } from '../../../backup/types.ts';
import type { TaskContext } from '../../contract.ts';
import type { Reader } from '../engines/reader.ts';
import { openStretch, type Sink, type Stretch } from './document.ts';
import type { StretchTask } from './plan.ts';
import { entryDigest, loadedParent } from './rows.ts';
import type { Position } from './walk.ts';

/** A segment is cut at the first name after this many bytes of text: the unit of a parallel restore, held in memory by it. */
const SEGMENT_RAW_BYTES = 16 * 1024 * 1024;
/** A cursor may have 4 KiB; the names of a path are in it. */
const CURSOR_MAX_BYTES = 3500;

export interface StretchPart {
  readonly segments: readonly Segment[];
  readonly digest: ClassDigest;
  readonly entries: number;
  /** What all of it leads up to. */
  readonly end: Position;
  /** Where the next invocation goes on; undefined when the stretch is done. */
  readonly rest: StretchTask | undefined;
}

export interface StretchMeans {
  readonly reader: Reader;
  readonly factory: DigestFactory;
  readonly context: TaskContext;
  /** Number of the first segment within the task. */
  readonly first: number;
  /** Whether the work may be handed back: an instant that lives in this session alone cannot. */
  readonly mayStop: boolean;
}

export const stretchOf = (task: StretchTask): Stretch => ({ ...task, root: BigInt(task.root) });

/** The sink that adds rows to a digest, as they will be after a load. */
export const digestSink = (digest: ReturnType<typeof entryDigest>, root: bigint, tree: string): Sink => ({
  root(_tree, entry) {
    // The trash itself is made by a load where it is missing: it is no content.
    if (tree === 'FSTree') digest.add({ ...entry, attr: { ...entry.attr, inode: 1n } }, 1n);
  },
  entry: (entry, parent) => digest.add(entry, loadedParent(parent, root, tree)),
});

/** Writes a stretch into segments, each of which loads alone. */
export const writeStretch = async (task: StretchTask, { reader, factory, context, first, mayStop }: StretchMeans): Promise<StretchPart> => {
  const digest = entryDigest(factory);
  const stretch = stretchOf(task);
  const read = openStretch(reader, stretch, digestSink(digest, stretch.root, task.tree));
  const segments: Segment[] = [];
  let told = 0;
  let from: Position | null = task.from;
  let stopped = false;
  async function* fill(first: Uint8Array): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    for (let piece: Uint8Array | undefined = first; piece !== undefined; piece = await read.next()) {
      bytes += piece.length;
      yield piece;
      context.progress({ rows: read.entries - told, bytes: piece.length, what: task.tree });
      told = read.entries;
      stopped = mayStop && context.budget.remaining() <= 0 && fits(read.position());
      if (stopped || bytes >= SEGMENT_RAW_BYTES) return;
    }
  }
  for (let piece = await read.next(); piece !== undefined && !stopped; ) {
    const place = ordinal(context.task, first + segments.length);
    const as = { encoding: 'zstd', extension: 'json.zst', context: segmentContext(task, from), recycle: read.giveBack } as const;
    segments.push(await context.write.write(place, fill(piece), as));
    from = read.position();
    piece = stopped ? undefined : await read.next();
  }
  const rest: StretchTask | undefined =
    stopped && !read.ended
      ? { ...task, from, follows: false, entries: task.entries === null ? null : task.entries - read.entries }
      : undefined;
  return { segments, digest: digest.end(), entries: read.entries, end: read.position(), rest };
};

const fits = (position: Position): boolean => Buffer.byteLength(JSON.stringify(position)) <= CURSOR_MAX_BYTES;

/** What a worker must know to load the segment alone. */
const segmentContext = ({ tree }: StretchTask, from: Position | null): Json => ({
  kind: 'tree',
  tree,
  open: from === null ? null : from.open.map(({ inode, name }) => ({ inode, name })),
  after: from === null ? null : from.after,
});
