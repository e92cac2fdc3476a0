import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '../../src/local/asl/clock.ts';

/**
 * Time that passes only when nothing else can happen: once every promise and callback has settled, the clock jumps to the next
 * timer. Whatever waits for the real world (a file, a socket, a worker thread, a child process) must be wrapped in `busy`, or
 * time runs away meanwhile. Work within `busy` may sleep on this clock: while it does, it does not hold up time.
 */
export interface VirtualClock extends Clock {
  busy<T>(work: () => Promise<T>): Promise<T>;
  /** Timers that have not fired; 0 at the end of a test that left nothing behind. */
  pending(): number;
}

interface Timer {
  readonly due: number;
  readonly order: number;
  readonly call: () => void;
}

interface Work {
  sleeping: number;
}

/** Turns of the event loop after which all that needs no real waiting has happened, chained setImmediate calls included. */
const QUIET_TURNS = 8;

export function virtualClock(start: Date | string = '2026-11-21T01:30:00Z'): VirtualClock {
  let now = new Date(start).getTime();
  let order = 0;
  let pumping = false;
  let activity = 0;
  const timers = new Set<Timer>();
  const works = new Set<Work>();
  const current = new AsyncLocalStorage<Work>();

  const held = () => [...works].some((work) => work.sleeping === 0);
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

  async function untilQuiet(): Promise<void> {
    for (let quiet = 0, seen = activity; quiet < QUIET_TURNS; ) {
      await turn();
      quiet = held() || seen !== activity ? 0 : quiet + 1;
      seen = activity;
    }
  }

  async function pump(): Promise<void> {
    for (;;) {
      await untilQuiet();
      const next = earliest(timers);
      if (next === undefined) break;
      timers.delete(next);
      now = Math.max(now, next.due);
      next.call();
    }
    pumping = false;
  }

  function after(ms: number, call: () => void): () => void {
    order += 1;
    activity += 1;
    const timer = { due: now + Math.max(0, ms), order, call };
    timers.add(timer);
    if (!pumping) {
      pumping = true;
      // The pump belongs to no work, whoever started it.
      current.exit(() => void pump());
    }
    return () => void timers.delete(timer);
  }

  async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const work = current.getStore();
    if (work !== undefined) work.sleeping += 1;
    try {
      await new Promise<void>((resolve, reject) => {
        const stop = () => {
          cancel();
          reject(signal?.reason);
        };
        const cancel = after(ms, () => {
          signal?.removeEventListener('abort', stop);
          resolve();
        });
        signal?.addEventListener('abort', stop, { once: true });
      });
    } finally {
      activity += 1;
      if (work !== undefined) work.sleeping -= 1;
    }
  }

  async function busy<T>(run: () => Promise<T>): Promise<T> {
    const work: Work = { sleeping: 0 };
    works.add(work);
    try {
      return await current.run(work, run);
    } finally {
      works.delete(work);
      activity += 1;
    }
  }

  return { now: () => now, sleep, after, busy, pending: () => timers.size };
}

function earliest(timers: ReadonlySet<Timer>): Timer | undefined {
  let first: Timer | undefined;
  for (const timer of timers) {
    if (first === undefined || timer.due < first.due || (timer.due === first.due && timer.order < first.order)) first = timer;
  }
  return first;
}
