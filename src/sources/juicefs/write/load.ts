import type { Check } from '../../../backup/types.ts';
import { LifeboatError } from '../../../errors.ts';
import type { Loaded, LoadOptions } from '../../contract.ts';
import { FINISH_STEPS, type HeadToLoad, type Occurrence, type Writer } from '../engines/writer.ts';
import type { Value } from '../format/json.ts';
import { openParser } from '../format/parse.ts';
import type { Entry, Tree } from '../model.ts';
import { headReader } from './head.ts';

/** Names in one transaction. */
export const BATCH_ENTRIES = 2000;

/** Who loads without a restore that has a name. */
const DIRECT = 'a load from a file';

/** Gathers what a parser tells into transactions. */
export interface Batches {
  readonly handler: {
    field(name: string, value: Value): void;
    root(tree: string, entry: Entry): void;
    entry(entry: Entry, parent: bigint): void;
  };
  /**
   * Writes full batches, or all that is left: one at a time, while the next one is read. Answers how many names were written since the
   * last call and how many of them were new.
   */
  flush(writer: Writer, all: boolean): Promise<{ readonly read: number; readonly fresh: number }>;
  /** Returns once nothing is being written any more, however that ended. */
  idle(): Promise<void>;
}

export const openBatches = (field: (name: string, value: Value) => void): Batches => {
  let waiting: Occurrence[] = [];
  let writing: Promise<void> = Promise.resolve();
  let done = { read: 0, fresh: 0 };
  return {
    handler: {
      field,
      root: (_tree, entry) => waiting.push({ entry, parent: 1n, root: true }),
      entry: (entry, parent) => waiting.push({ entry, parent, root: false }),
    },
    async flush(writer, all) {
      while (waiting.length >= BATCH_ENTRIES || (all && waiting.length > 0)) {
        const batch = waiting.slice(0, BATCH_ENTRIES);
        waiting = waiting.slice(BATCH_ENTRIES);
        await writing;
        writing = writer.put(batch).then((fresh) => {
          done = { read: done.read + batch.filter(({ root }) => !root).length, fresh: done.fresh + fresh };
        });
        // The next call fails with it.
        writing.catch(() => {});
      }
      if (all) await writing;
      const written = done;
      done = { read: 0, fresh: 0 };
      return written;
    },
    idle: () => writing.catch(() => {}),
  };
};

/** Reads a whole dump into an engine that has no volume. What was begun is taken back when it fails. */
export const loadDump = async (writer: Writer, artifact: AsyncIterable<Uint8Array>, options: LoadOptions, now: Date): Promise<Loaded> => {
  await makeRoom(writer, options.overwrite);
  await writer.begin(DIRECT, now.toISOString());
  try {
    const { head, rows } = await readInto(writer, artifact, options);
    for (const step of FINISH_STEPS) {
      options.signal.throwIfAborted();
      await writer.finish(step, head, now);
    }
    const checks = await writer.checks();
    refuseBroken(checks);
    await writer.publish(head);
    return { rows: String(rows), checks };
  } catch (error) {
    await writer.clear();
    throw error;
  }
};

/** A load that was killed left its marker, and is simply begun again. */
const makeRoom = async (writer: Writer, overwrite: boolean): Promise<void> => {
  const marker = await writer.marker();
  if (marker !== undefined && marker.restore !== DIRECT && !overwrite)
    throw new LifeboatError('TargetUnusable', `the target holds a restore that did not end: ${marker.restore}, begun ${marker.since}`, {
      hint: 'Run that restore again to go on with it, or load with --overwrite.',
    });
  if (marker !== undefined || overwrite) return writer.clear();
  const found = await writer.occupant();
  if (found !== undefined)
    throw new LifeboatError('TargetNotEmpty', `the target is not empty: ${found}`, {
      hint: 'Load into an empty engine, or with --overwrite.',
    });
};

const readInto = async (
  writer: Writer,
  artifact: AsyncIterable<Uint8Array>,
  { signal, progress }: LoadOptions,
): Promise<{ readonly head: HeadToLoad; readonly rows: number }> => {
  const fields = headReader();
  const batches = openBatches(fields.field);
  let trees = 0;
  const root = (tree: Tree, entry: Entry): void => {
    if (tree === 'FSTree') trees++;
    batches.handler.root(tree, entry);
  };
  const parser = openParser({ at: 'document' }, { ...batches.handler, root });
  let rows = 0;
  const flush = async (all: boolean, bytes: number): Promise<void> => {
    const { read, fresh } = await batches.flush(writer, all);
    if (fresh !== read)
      throw new LifeboatError('ArtifactInvalid', `${read - fresh} names stand twice in their directories`, {
        hint: 'The dump was changed, or is of another product.',
      });
    rows += read;
    if (read > 0 || bytes > 0) progress({ rows: read, bytes });
  };
  try {
    for await (const bytes of artifact) {
      signal.throwIfAborted();
      for (const piece of pieces(bytes)) {
        parser.push(piece);
        await flush(false, piece.length);
      }
    }
    parser.end();
    await flush(true, 0);
  } finally {
    // What was begun is taken back on the same connection.
    await batches.idle();
  }
  if (trees !== 1)
    throw new LifeboatError('ArtifactInvalid', 'not a JuiceFS dump: it has no FSTree', {
      hint: 'Give a JSON dump of juicefs or lifeboat.',
    });
  return { head: fields.end(), rows };
};

/** Bytes that are parsed before what they hold is written. */
const PIECE_BYTES = 1024 * 1024;

export function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

const refuseBroken = (checks: readonly Check[]): void => {
  const broken = checks.filter(({ ok }) => !ok);
  if (broken.length === 0) return;
  throw new LifeboatError(
    'ArtifactInvalid',
    `the dump makes no sound volume: ${broken.map(({ name, actual }) => `${actual} ${name}`).join(', ')}`,
    {
      hint: 'It was changed, or taken while the volume was written to. Nothing was loaded.',
    },
  );
};
