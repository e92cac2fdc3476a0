/** A status that changes with time, and waits for the work behind it. */

export interface Step {
  readonly status: string;
  /** Milliseconds of the double's clock. */
  readonly ms: number;
}

export interface Status {
  /** 0 to 100, over all steps. */
  percent(now: number): number;
  at(now: number): string;
  isSettled(now: number): boolean;
}

/** Goes through `steps` from `since` on, then is `last`; never `last` before `work` has ended, and an error of it is thrown. */
export const timeline = (since: number, steps: readonly Step[], last: string, work: Promise<unknown> = Promise.resolve()): Status => {
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  work.then(
    () => {
      ended = true;
    },
    (error: unknown) => {
      failure = { error };
    },
  );
  const total = steps.reduce((sum, { ms }) => sum + ms, 0);
  const isSettled = (now: number): boolean => {
    if (failure !== undefined) throw failure.error;
    return now - since >= total && ended;
  };
  return {
    isSettled,
    at(now) {
      if (isSettled(now)) return last;
      let end = since;
      for (const step of steps) {
        end += step.ms;
        if (now < end) return step.status;
      }
      return steps.at(-1)?.status ?? last;
    },
    percent: (now) => (isSettled(now) ? 100 : Math.min(99, Math.floor(((now - since) / Math.max(1, total)) * 100))),
  };
};
