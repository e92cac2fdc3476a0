import { describe, expect, it } from 'vitest';
import { awaitInstant, holdInstant, INSTANT_MAX_MS, publishInstant, readInstants, releaseInstant } from '../../src/backup/instants.ts';
import type { PointInTime } from '../../src/backup/types.ts';
import { LifeboatError } from '../../src/errors.ts';
import type { Budget, Held } from '../../src/sources/contract.ts';
import { withFaults } from '../support/faults.ts';
import { memoryRuntime, type TestRuntime } from '../support/runtime.ts';
import { idAt } from './examples.ts';

const SOURCE = 'sea';
const BACKUP = idAt('2026-11-21T01:30:00Z');
const MINUTE = 60_000;

const token = (name: string): PointInTime => ({ consistency: 'snapshot', at: '2026-11-21T01:30:00Z', token: name });
const publish = (runtime: TestRuntime, lane: 0 | 1, name: string) =>
  publishInstant(runtime, SOURCE, BACKUP, lane, token(name), `attempt of ${name}`.replaceAll(' ', '-'));

/** A function of 15 minutes, less its margin. */
const budgetIn = (runtime: TestRuntime, total = 15 * MINUTE): Budget => {
  const end = runtime.clock.now() + total;
  return { remaining: () => end - runtime.clock.now(), signal: new AbortController().signal };
};

/** Publishes, and holds until it is told to let go. */
const holding =
  (runtime: TestRuntime, name: string) =>
  async (held: Held, budget: Budget): Promise<void> => {
    await held.instants();
    await held.publish(token(name));
    while (!budget.signal.aborted && budget.remaining() > 0) await runtime.sleep(MINUTE, budget.signal).catch(() => {});
  };

const hold = (runtime: TestRuntime, lane: 0 | 1, round = 0, name = `lane ${lane}`, budget = budgetIn(runtime)) =>
  holdInstant(runtime, holding(runtime, name), { source: SOURCE, backup: BACKUP, lane, round, attempt: `${lane}-${round}` }, budget);

const minutesSince = (runtime: TestRuntime, start: number): number => (runtime.clock.now() - start) / MINUTE;

describe('readInstants', () => {
  it('gives the newest first, and not more than a task would try', async () => {
    const runtime = memoryRuntime();
    expect(await readInstants(runtime, SOURCE, BACKUP)).toEqual([]);
    for (let n = 0; n < 9; n++) {
      await publish(runtime, n % 2 === 0 ? 0 : 1, `n${n}`);
      await runtime.sleep(1);
    }
    expect((await readInstants(runtime, SOURCE, BACKUP)).map(({ token: name }) => name)).toEqual(['n8', 'n7', 'n6', 'n5', 'n4', 'n3']);
  });
});

describe('awaitInstant', () => {
  it('is ready soon after the first token', async () => {
    const runtime = memoryRuntime();
    const start = runtime.clock.now();
    const waiting = awaitInstant(runtime, SOURCE, BACKUP, budgetIn(runtime));
    await runtime.sleep(MINUTE);
    await publish(runtime, 0, 'a');
    expect(await waiting).toBe(true);
    expect(minutesSince(runtime, start)).toBeLessThan(1.1);
  });

  it('says that it was not when its time is over', async () => {
    const runtime = memoryRuntime();
    expect(await awaitInstant(runtime, SOURCE, BACKUP, budgetIn(runtime, MINUTE))).toBe(false);
  });

  it('does not wait for what was released before it began', async () => {
    const runtime = memoryRuntime();
    await releaseInstant(runtime, SOURCE, BACKUP);
    await expect(awaitInstant(runtime, SOURCE, BACKUP, budgetIn(runtime))).rejects.toMatchObject({ code: 'InstantLost' });
  });
});

describe('holdInstant', () => {
  it('lets go within seconds of the release, and says so', async () => {
    const runtime = memoryRuntime();
    const lanes = [hold(runtime, 0), hold(runtime, 1)];
    await runtime.sleep(5 * MINUTE);
    const start = runtime.clock.now();
    await releaseInstant(runtime, SOURCE, BACKUP);
    expect(await Promise.all(lanes)).toEqual([true, true]);
    expect(runtime.clock.now() - start).toBeLessThanOrEqual(2_000);
  });

  it('does not hold up a short backup', async () => {
    const runtime = memoryRuntime();
    const lanes = [hold(runtime, 0), hold(runtime, 1)];
    await runtime.sleep(1_000);
    const start = runtime.clock.now();
    await releaseInstant(runtime, SOURCE, BACKUP);
    await Promise.all(lanes);
    expect(runtime.clock.now() - start).toBeLessThanOrEqual(200);
  });

  it('holds 13 of 15 minutes while the other lane lives, and 14.5 while it does not', async () => {
    const runtime = memoryRuntime();
    const start = runtime.clock.now();
    const alone = hold(runtime, 0);
    expect(await alone).toBe(false);
    expect(minutesSince(runtime, start)).toBeCloseTo(14.5, 0);
    const again = runtime.clock.now();
    const both = hold(runtime, 0, 1);
    await runtime.sleep(MINUTE);
    await publish(runtime, 1, 'the other');
    await both;
    expect(minutesSince(runtime, again)).toBeCloseTo(13, 0);
  });

  it('staggers the lanes: the first round of lane 1 is half as long', async () => {
    const runtime = memoryRuntime();
    const first = hold(runtime, 0);
    const start = runtime.clock.now();
    const second = hold(runtime, 1);
    await runtime.sleep(MINUTE);
    // Lane 0 renews its token while lane 1 holds.
    await publish(runtime, 0, 'again');
    await second;
    expect(minutesSince(runtime, start)).toBeCloseTo(6.5, 0);
    await first;
  });

  it('waits, in lane 1, for what lane 0 opens', async () => {
    const runtime = memoryRuntime();
    const second = hold(runtime, 1);
    await runtime.sleep(MINUTE);
    expect(await readInstants(runtime, SOURCE, BACKUP)).toEqual([]);
    const first = hold(runtime, 0);
    await runtime.sleep(MINUTE);
    expect((await readInstants(runtime, SOURCE, BACKUP)).map(({ token: name }) => name)).toEqual(['lane 1', 'lane 0']);
    await releaseInstant(runtime, SOURCE, BACKUP);
    await Promise.all([first, second]);
  });

  it('joins nothing any more once it is released: a round that is tried again ends well', async () => {
    const runtime = memoryRuntime();
    await releaseInstant(runtime, SOURCE, BACKUP);
    const never = async (): Promise<void> => {
      throw new Error('this must not be called');
    };
    for (const lane of [0, 1] as const)
      expect(await holdInstant(runtime, never, { source: SOURCE, backup: BACKUP, lane, round: 3, attempt: 'x' }, budgetIn(runtime))).toBe(
        true,
      );
  });

  it('holds an instant for six hours at most, and then fails by name', async () => {
    const runtime = memoryRuntime();
    await publish(runtime, 0, 'old');
    await runtime.sleep(INSTANT_MAX_MS + 1);
    await expect(hold(runtime, 0, 9)).rejects.toMatchObject({ code: 'InstantLost', message: expect.stringContaining('6 hours') });
  });

  it('goes on holding while its store hiccups', async () => {
    const base = memoryRuntime();
    const faulty = withFaults(base.control, [
      { on: 'head', skip: 3, times: 2, fault: { kind: 'fail', code: 'StoreUnavailable' } },
      { on: 'list', skip: 5, times: 2, fault: { kind: 'fail', code: 'StoreUnavailable' } },
    ]);
    const runtime: TestRuntime = { ...base, control: faulty };
    const lane = hold(runtime, 0);
    await runtime.sleep(5 * MINUTE);
    expect(faulty.pending()).toEqual([]);
    await releaseInstant(base, SOURCE, BACKUP);
    expect(await lane).toBe(true);
  });

  it('fails with what a store refuses, and with what the source says', async () => {
    const base = memoryRuntime();
    const refusing = withFaults(base.control, [{ on: 'list', skip: 3, fault: { kind: 'fail', code: 'StoreDenied' } }]);
    await expect(hold({ ...base, control: refusing }, 0)).rejects.toMatchObject({ code: 'StoreDenied' });
    const gone = async (): Promise<void> => {
      throw new LifeboatError('InstantLost', 'none lives');
    };
    const input = { source: SOURCE, backup: BACKUP, lane: 0, round: 0, attempt: 'x' } as const;
    await expect(holdInstant(base, gone, input, budgetIn(base))).rejects.toMatchObject({ code: 'InstantLost', message: 'none lives' });
  });
});
