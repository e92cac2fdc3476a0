import { setTimeout as sleepReal } from 'node:timers/promises';

/** Time, passed in, so that a test can own it. All durations are milliseconds. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Rejects with the signal's reason when it is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls once, later, unless the returned function is called before. */
  after(ms: number, call: () => void): () => void;
}

/** The longest delay that Node's timers take; longer ones would fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export const realClock: Clock = {
  now: () => Date.now(),

  async sleep(ms, signal) {
    const end = performance.now() + ms;
    for (let left = ms; left > 0; left = end - performance.now()) {
      signal?.throwIfAborted();
      try {
        await sleepReal(Math.min(left, TIMER_MAX_MS), undefined, signal === undefined ? {} : { signal });
      } catch (error) {
        throw signal?.aborted ? signal.reason : error;
      }
    }
    signal?.throwIfAborted();
  },

  after(ms, call) {
    const end = performance.now() + ms;
    let timer: NodeJS.Timeout;
    const arm = () => {
      const left = end - performance.now();
      timer = setTimeout(left > TIMER_MAX_MS ? arm : call, Math.max(0, Math.min(left, TIMER_MAX_MS)));
    };
    arm();
    return () => clearTimeout(timer);
  },
};
