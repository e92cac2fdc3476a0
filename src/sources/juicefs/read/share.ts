import type { DigestFactory } from '../../../backup/digest.ts';
import type { ClassDigest, Segment } from '../../../backup/types.ts';
import { LifeboatError } from '../../../errors.ts';
import type { Claims, TaskContext } from '../../contract.ts';
import type { Reader } from '../engines/reader.ts';
import { type Scope, type StretchTask, wholeStretches } from './plan.ts';
import { writeStretch } from './segments.ts';
import { atRoot, openWalk, type Position } from './walk.ts';

export interface Shared {
  readonly reader: Reader;
  readonly factory: DigestFactory;
  readonly context: TaskContext;
  readonly claims: Claims;
  readonly scope: Scope;
  /** Names of one stretch, the same in all lanes. */
  readonly size: number;
}

export interface Share {
  readonly segments: readonly Segment[];
  readonly digests: readonly ClassDigest[];
  readonly entries: number;
}

/**
 * Goes through a volume as all other lanes do at the same instant, and dumps those stretches that no other has taken; of the others it
 * reads the names alone, to know where they end. Nobody has to plan, or to say where anything begins.
 */
export const takeStretches = async ({ reader, factory, context, claims, scope, size }: Shared): Promise<Share> => {
  const segments: Segment[] = [];
  const digests: ClassDigest[] = [];
  let entries = 0;
  let number = 0;
  const dump = async (task: StretchTask, place: number): Promise<{ readonly names: number; readonly end: Position }> => {
    const own = { ...context, task: place };
    const done = await writeStretch(task, { reader, factory, context: own, first: 0, mayStop: false });
    segments.push(...done.segments);
    digests.push(done.digest);
    entries += done.entries;
    return { names: done.entries, end: done.end };
  };
  for (const whole of wholeStretches(scope)) {
    let from: Position | null = null;
    for (let ended = false; ; ) {
      context.budget.signal.throwIfAborted();
      if (context.budget.remaining() <= 0)
        throw new LifeboatError('TooLargeForLanes', `the time of a lane was over before stretch ${number}`, {
          hint: 'Raise the concurrency of this source; past that, back up a replica that nobody writes to.',
        });
      // The head of the dump has the first place.
      const place = ++number;
      const task: StretchTask = { ...whole, from, entries: ended ? null : size, follows: whole.follows && from === null };
      const mine = await claims.take(`stretch-${place}`);
      if (ended) {
        if (mine) await dump(task, place);
        break;
      }
      const { names, end } = mine ? await dump(task, place) : await skip(reader, task, size);
      ended = names < size;
      from = end;
    }
  }
  return { segments, digests, entries };
};

const skip = async (
  reader: Reader,
  { root, from }: StretchTask,
  size: number,
): Promise<{ readonly names: number; readonly end: Position }> => {
  const walk = openWalk(reader, from ?? atRoot(BigInt(root)), { edgesOnly: true, most: size });
  let names = 0;
  while (names < size) {
    const step = walk.next();
    if (step === undefined) break;
    if (step === 'load') await walk.load();
    else if (step.kind === 'enter') names++;
  }
  await walk.leave();
  return { names, end: walk.position() };
};
