import { setMaxListeners } from 'node:events';
import type { Clock } from './clock.ts';

/** A branch that nobody waits for any more: another branch of its Parallel or Map has failed. */
export class Abandoned extends Error {
  override readonly name = 'Abandoned';
}

export interface Branch extends Disposable {
  readonly signal: AbortSignal;
  stop(reason: Error): void;
}

/** A signal that stops with its parent, and alone. Dispose it when its work is over. */
export function branchOf(parent: AbortSignal): Branch {
  const controller = new AbortController();
  // One signal may serve thousands of items: not a leak.
  setMaxListeners(0, controller.signal);
  const follow = () => controller.abort(parent.reason);
  if (parent.aborted) follow();
  else parent.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    stop: (reason) => controller.abort(reason),
    [Symbol.dispose]: () => parent.removeEventListener('abort', follow),
  };
}

/** The outcome of `work`, or the signal's reason if that comes first; then the work goes on and its outcome is nobody's. */
export function unlessStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** The outcome of `work`, or `late()` thrown after so many seconds. */
export function withinSeconds<T>(clock: Clock, seconds: number | undefined, work: Promise<T>, late: () => Error): Promise<T> {
  if (seconds === undefined) return work;
  return new Promise((resolve, reject) => {
    const cancel = clock.after(seconds * 1000, () => reject(late()));
    work.then(resolve, reject).finally(cancel);
  });
}
