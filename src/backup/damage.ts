import { LifeboatError } from '../errors.ts';
import type { SegmentSource, TaskContext } from '../sources/contract.ts';
import type { Segment } from './types.ts';

/**
 * Runs a task; when it fails over a segment that it had begun to read, that segment is read to its end. If it is not what was
 * written, SegmentMismatch is the error: a database that was handed damaged rows complains first, and not of the backup.
 */
export const namingDamage = async <Result>(context: TaskContext, run: (context: TaskContext) => Promise<Result>): Promise<Result> => {
  const open = new Set<Segment>();
  try {
    return await run({ ...context, read: noting(context.read, open) });
  } catch (error) {
    const { signal } = context.budget;
    // What will be tried again meets the same bytes again; a segment that was read to its end is what was written.
    const isAboutBytes = !(error instanceof LifeboatError && (error.retryable || error.code === 'SegmentMismatch'));
    if (isAboutBytes && !signal.aborted) for (const segment of open) await readThrough(context.read, segment, signal, error);
    throw error;
  }
};

/** `open` holds the segments of which a reader has not seen the end. */
const noting = (source: SegmentSource, open: Set<Segment>): SegmentSource => ({
  async *read(segment) {
    open.add(segment);
    yield* source.read(segment);
    open.delete(segment);
  },
});

const readThrough = async (source: SegmentSource, segment: Segment, signal: AbortSignal, before: unknown): Promise<void> => {
  try {
    for await (const _ of source.read(segment)) if (signal.aborted) return;
  } catch (error) {
    // Where the store fails as well, the first error says more.
    if (!(error instanceof LifeboatError) || error.code !== 'SegmentMismatch') return;
    const met = before instanceof Error ? before.message : String(before);
    throw new LifeboatError('SegmentMismatch', `${error.message} (met first as: ${met})`, { hint: error.hint, cause: before });
  }
};
