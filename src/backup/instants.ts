import { z } from 'zod';
import { LifeboatError } from '../errors.ts';
import type { Budget, Source } from '../sources/contract.ts';
import { instantsPrefix, releasedKey } from './layout.ts';
import { createJson, readJson } from './objects.ts';
import type { Runtime } from './runtime.ts';
import { withSignal } from './stage.ts';
import type { BackupId, PointInTime } from './types.ts';

/** How often a holder looks whether it may let go, in milliseconds: soon at first, so that a short backup ends soon. */
const POLL_FIRST_MS = 200;
const POLL_MS = 2_000;
/** Part of the time since the last change after which it looks again, between the two. */
const POLL_SHARE = 0.1;

/** Records read when a task looks for a living token: two lanes, each with a living one and its predecessor, and some spare. */
const NEWEST_RECORDS = 6;

/** Part of a function's time that a holder holds, while the other lane has a living successor: 13 of 15 minutes. */
const HOLD_SHARE = 13 / 15;
/** … and while it has none: 14.5 of 15 minutes. */
const HOLD_ALONE_SHARE = 14.5 / 15;
/** The first round of lane 1 is shorter, so that the two lanes never change at the same time. */
const STAGGERED_SHARE = HOLD_SHARE / 2;

/** Longest time that one instant is held: it keeps the source from cleaning up. */
export const INSTANT_MAX_MS = 6 * 60 * 60 * 1000;

const RecordSchema = z.object({
  lane: z.union([z.literal(0), z.literal(1)]),
  publishedAt: z.number(),
  at: z.object({ consistency: z.enum(['snapshot', 'quiesced', 'fuzzy']), at: z.string(), token: z.json() }),
});
type InstantRecord = z.infer<typeof RecordSchema>;

interface Records {
  readonly newest: readonly InstantRecord[];
  /** When the first token of all was published. */
  readonly since: number;
}

const readRecords = async (runtime: Runtime, source: string, backup: BackupId): Promise<Records> => {
  const prefix = instantsPrefix(source, backup);
  const keys: string[] = [];
  for await (const { key } of runtime.control.list(prefix)) keys.push(key);
  const records = await Promise.all(keys.slice(-NEWEST_RECORDS).map((key) => readJson(runtime.control, key)));
  const first = keys[0]?.slice(prefix.length);
  return {
    newest: records.map((record) => RecordSchema.parse(record)).reverse(),
    since: first === undefined ? runtime.now().getTime() : Number.parseInt(first, 10),
  };
};

/** Tokens of the instant, newest first. */
export const readInstants = async (runtime: Runtime, source: string, backup: BackupId): Promise<readonly PointInTime[]> =>
  (await readRecords(runtime, source, backup)).newest.map((record) => record.at);

/** Publishes a token; the key begins with the time, so that listing order is time order. */
export const publishInstant = async (
  runtime: Runtime,
  source: string,
  backup: BackupId,
  lane: 0 | 1,
  at: PointInTime,
  attempt: string,
): Promise<void> => {
  const publishedAt = runtime.now().getTime();
  const record: InstantRecord = { lane, publishedAt, at: { ...at, token: z.json().parse(at.token) } };
  await createJson(
    runtime.control,
    `${instantsPrefix(source, backup)}${String(publishedAt).padStart(14, '0')}-${lane}-${attempt}.json`,
    record,
  );
};

export const isReleased = async (runtime: Runtime, source: string, backup: BackupId): Promise<boolean> =>
  (await runtime.control.head(releasedKey(source, backup))) !== undefined;

/** Tells the holders to let go. Doing it twice is fine. */
export const releaseInstant = async (runtime: Runtime, source: string, backup: BackupId): Promise<void> => {
  await createJson(runtime.control, releasedKey(source, backup), { releasedAt: runtime.now().toISOString() });
};

/** Waits for the first token; false when the budget ran out. Fails with InstantLost when there will be none. */
export const awaitInstant = async (runtime: Runtime, source: string, backup: BackupId, budget: Budget): Promise<boolean> => {
  const found = await waitForInstant(runtime, source, backup, budget);
  if (found === 'released')
    throw new LifeboatError('InstantLost', `the instant of backup ${backup} was released before it was opened`, {
      hint: 'Start a new backup.',
    });
  return found === 'published';
};

const waitForInstant = async (
  runtime: Runtime,
  source: string,
  backup: BackupId,
  budget: Budget,
): Promise<'published' | 'released' | 'spent'> => {
  while (budget.remaining() > 0) {
    if ((await readRecords(runtime, source, backup)).newest.length > 0) return 'published';
    if (await isReleased(runtime, source, backup)) return 'released';
    await runtime.sleep(Math.min(POLL_FIRST_MS, Math.max(0, budget.remaining())), budget.signal);
  }
  return 'spent';
};

export interface HoldInput {
  readonly source: string;
  readonly backup: BackupId;
  readonly lane: 0 | 1;
  /** Counts the rounds of this lane. */
  readonly round: number;
  /** Unique for each invocation. */
  readonly attempt: string;
}

/** One round of one holder lane. Answers whether the instant was released, so that the lane may end. */
export const holdInstant = async (
  runtime: Runtime,
  hold: NonNullable<Source['hold']>,
  input: HoldInput,
  budget: Budget,
): Promise<boolean> => {
  const { source, backup, lane } = input;
  // A round that is tried again after the release has nothing left to join, and need not.
  if (await isReleased(runtime, source, backup)) return true;
  if (lane === 1) {
    const found = await waitForInstant(runtime, source, backup, budget);
    if (found !== 'published') return found === 'released';
  }
  const startedAt = runtime.now().getTime();
  const total = budget.remaining();
  const letGo = new AbortController();
  let released = false;
  const isOver = async (now: number): Promise<boolean> => {
    released = await isReleased(runtime, source, backup);
    if (released) return true;
    const records = await readRecords(runtime, source, backup);
    return now - startedAt >= total * shareOf(records, input, startedAt) || now - records.since > INSTANT_MAX_MS;
  };
  const watch = async (): Promise<void> => {
    while (!letGo.signal.aborted) {
      const now = runtime.now().getTime();
      if (await isOver(now).catch(goOnIfRetryable)) letGo.abort();
      else await runtime.sleep(pollAfter(now - startedAt, total), letGo.signal).catch(() => {});
    }
  };
  let failure: { readonly error: unknown } | undefined;
  const watching = watch().catch((error: unknown) => {
    failure = { error };
    letGo.abort();
  });
  try {
    await hold(
      {
        instants: async () => {
          const { newest, since } = await readRecords(runtime, source, backup);
          if (runtime.now().getTime() - since > INSTANT_MAX_MS)
            throw new LifeboatError(
              'InstantLost',
              `the instant of backup ${backup} was held for more than ${INSTANT_MAX_MS / 3_600_000} hours`,
              {
                hint: 'Give the source a higher concurrency, so that its backup takes less time.',
              },
            );
          return newest.map((record) => record.at);
        },
        publish: (at) => publishInstant(runtime, source, backup, lane, at, input.attempt),
      },
      withSignal(budget, letGo.signal),
    );
  } finally {
    letGo.abort();
    await watching;
  }
  if (failure !== undefined) throw failure.error;
  return released || isReleased(runtime, source, backup);
};

/** Letting go of the instant because a store hiccuped would lose a backup for nothing. */
const goOnIfRetryable = (error: unknown): false => {
  if (error instanceof LifeboatError && error.retryable) return false;
  throw error;
};

const pollAfter = (elapsed: number, total: number): number => Math.min(Math.max(POLL_FIRST_MS, elapsed * POLL_SHARE), POLL_MS, total / 20);

const shareOf = (records: Records, { lane, round }: HoldInput, startedAt: number): number => {
  const otherLives = records.newest.some((record) => record.lane !== lane && record.publishedAt >= startedAt);
  if (!otherLives) return HOLD_ALONE_SHARE;
  return lane === 1 && round === 0 ? STAGGERED_SHARE : HOLD_SHARE;
};
