/** What one execution asks of AWS, counted in what is paid for. The constants were counted in runs of the real machines; tests hold them. */

/** A backup as it is planned, or as the last one was. */
export interface BackupWork {
  readonly tasks: number;
  /** Invocations that the tasks take together; as many as tasks where each fits into one. */
  readonly parts: number;
  readonly segments: number;
  /** Of all segments in the store. */
  readonly bytes: number;
  /** From start to seal. */
  readonly seconds: number;
  /** Tasks at the same time. */
  readonly concurrency: number;
  /** Of holders: two where the instant lives in a connection. */
  readonly lanes: 0 | 2;
}

/** MB, as functions are configured. */
export interface Sizes {
  readonly workMb: number;
  readonly longMb: number;
  readonly temporaryMb: number;
}

export interface Usage {
  readonly invocations: number;
  readonly gbSeconds: number;
  readonly temporaryGbSeconds: number;
  readonly transitions: number;
  readonly writes: number;
  readonly reads: number;
  readonly logBytes: number;
}

/** A lane holds for so long before the other takes over, in seconds. */
const HOLD_SECONDS = 13 * 60;

/** Of /tmp is free, in MB. */
const TEMPORARY_FREE_MB = 512;

/** Start, plan, seal, prune and end together, in seconds: small for every source that was measured. */
const AROUND_SECONDS = 30;

/** An invocation's own lines and Lambda's three, in bytes. */
const LOG_INVOCATION_BYTES = 2_000;
/** Step Functions logs some five events a transition, without data, in bytes. */
const LOG_TRANSITION_BYTES = 5 * 600;

export const lambdaGb = (mb: number): number => mb / 1024;

/** An upper bound: as if every function of the Map worked from the start of the backup to its end. */
export const backupUsage = (work: BackupWork, sizes: Sizes): Usage => {
  const { tasks, parts, segments, seconds, lanes } = work;
  const rounds = lanes * Math.ceil(seconds / HOLD_SECONDS);
  const dumping = Math.min(work.concurrency, tasks) * seconds;
  const held = lanes * seconds;
  const transitions = 19 + 4 * tasks + 2 * (parts - tasks) + lanes + 2 * rounds;
  const invocations = 7 + parts + rounds;
  return {
    invocations,
    gbSeconds: dumping * lambdaGb(sizes.workMb) + held * lambdaGb(sizes.longMb) + AROUND_SECONDS * lambdaGb(sizes.workMb),
    temporaryGbSeconds: dumping * (Math.max(0, sizes.temporaryMb - TEMPORARY_FREE_MB) / 1024),
    transitions,
    // A lane looks every two seconds whether it is released.
    writes: Math.ceil(26 + segments + 2 * parts + 0.55 * held),
    reads: Math.ceil(29 + 8 * parts + 3.5 * held),
    logBytes: invocations * LOG_INVOCATION_BYTES + transitions * LOG_TRANSITION_BYTES,
  };
};

/** A drill as the last one was: its phases, in which as many functions as the source allows may have worked. */
export interface DrillWork {
  readonly seconds: number;
  readonly segments: number;
  readonly concurrency: number;
}

/** An upper bound, like that of a backup; a drill loads and audits what a backup wrote, and audits once more. */
export const drillUsage = ({ seconds, segments, concurrency }: DrillWork, sizes: Sizes): Usage => {
  const working = seconds * Math.min(concurrency, Math.max(1, segments));
  const tasks = 3 * Math.max(1, segments);
  const transitions = 120 + 4 * tasks;
  const invocations = 30 + tasks;
  return {
    invocations,
    gbSeconds: (working + AROUND_SECONDS) * lambdaGb(sizes.workMb),
    temporaryGbSeconds: working * (Math.max(0, sizes.temporaryMb - TEMPORARY_FREE_MB) / 1024),
    transitions,
    writes: 120 + 3 * tasks,
    reads: 120 + 12 * tasks,
    logBytes: invocations * LOG_INVOCATION_BYTES + transitions * LOG_TRANSITION_BYTES,
  };
};
