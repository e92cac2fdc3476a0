import { matchesError } from './errors.ts';
import type { Catcher, Retrier } from './types.ts';

export interface Retries {
  /** How often the state was tried again so far, as `$states.context.State.RetryCount`. */
  count(): number;
  /** Seconds to wait before the next try, or undefined when the error is not to be retried (any more). */
  delay(error: string, random: () => number): number | undefined;
}

/** Each retrier counts for itself; the first that names the error decides, even if it has given up. */
export function retriesOf(retriers: readonly Retrier[]): Retries {
  const attempts = retriers.map(() => 0);
  return {
    count: () => attempts.reduce((sum, n) => sum + n, 0),
    delay(error, random) {
      const n = retriers.findIndex((retrier) => matchesError(retrier.errorEquals, error));
      const [retrier, attempt] = [retriers[n], attempts[n]];
      if (retrier === undefined || attempt === undefined || attempt >= retrier.maxAttempts) return undefined;
      attempts[n] = attempt + 1;
      return delayOf(retrier, attempt) * (retrier.fullJitter ? random() : 1);
    },
  };
}

const delayOf = (retrier: Retrier, attempt: number): number =>
  Math.min(retrier.intervalSeconds * retrier.backoffRate ** attempt, retrier.maxDelaySeconds ?? Number.MAX_SAFE_INTEGER / 1000);

export const catcherFor = (catchers: readonly Catcher[], error: string): Catcher | undefined =>
  catchers.find((catcher) => matchesError(catcher.errorEquals, error));
