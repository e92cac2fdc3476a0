import { setTimeout as sleep } from 'node:timers/promises';

/** Real milliseconds: a cluster is copied and started meanwhile. */
const PATIENCE_MS = 60_000;

/** Each look is several requests; more of them would only take the time of what is waited for. */
const PAUSE_MS = 40;

/** Asks until the answer is as wanted; fails with the last answer. */
export const waitFor = async <T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> => {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    if (Date.now() > end) throw new Error(`waited in vain: ${JSON.stringify(answer)}`);
    await sleep(PAUSE_MS);
  }
};
