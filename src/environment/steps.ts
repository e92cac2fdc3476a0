import type { MachineName } from './names.ts';

/**
 * What a function is for decides what it may do: functions of one purpose share a role. The order is that of a backup,
 * a restore, a drill.
 */
export const PURPOSES = [
  'planner',
  'holder',
  'dumper',
  'sealer',
  'pruner',
  'keeper',
  'restorer',
  'auditor',
  'driller',
  'recorder',
  'janitor',
] as const;
export type Purpose = (typeof PURPOSES)[number];

export interface Step {
  /** The state machine that calls it; none for what EventBridge calls. */
  readonly machine: MachineName | null;
  readonly purpose: Purpose;
  readonly size: 'small' | 'long' | 'work';
  readonly description: string;
}

/** Seconds and MB. A function ends before the state that waits for it does (330 and 930 s in state-machines/). */
export const SIZES = {
  small: { seconds: 300, memoryMb: 512, temporaryMb: 512 },
  long: { seconds: 900, memoryMb: 512, temporaryMb: 512 },
  /** One whole vCPU; room in /tmp for the segments that are being written. */
  work: { seconds: 900, memoryMb: 1769, temporaryMb: 2048 },
} as const;

const step = (machine: MachineName | null, purpose: Purpose, size: Step['size'], description: string): Step => ({
  machine,
  purpose,
  size,
  description,
});

/** One a file of functions/; a test holds the two equal. */
export const STEPS: Readonly<Record<string, Step>> = {
  'start-backup': step('backup', 'planner', 'small', 'Names the backup, takes the lease, inspects the source.'),
  hold: step('backup', 'holder', 'long', 'Keeps the instant alive while the tasks read at it.'),
  'await-point-in-time': step('backup', 'holder', 'long', 'Opens the instant, or waits until a lane has.'),
  'plan-dump': step('backup', 'planner', 'work', 'Streams the tasks of the dump into its plan.'),
  'dump-task': step('backup', 'dumper', 'work', 'Dumps one task into segments.'),
  'release-point-in-time': step('backup', 'holder', 'small', 'Lets the lanes go.'),
  'seal-backup': step('backup', 'sealer', 'work', 'Writes RESTORE.md and, last of all, the manifest.'),
  'prune-backups': step('backup', 'pruner', 'long', 'Removes what the retention does not keep.'),
  'end-backup': step('backup', 'keeper', 'small', 'Gives the lease back.'),
  'abort-backup': step('backup', 'holder', 'small', 'Deletes nothing; gives back what a failed backup held.'),
  'resolve-backup': step('restore', 'restorer', 'small', 'Picks the backup and the target of a restore.'),
  'plan-stage': step('restore', 'restorer', 'work', 'Streams the tasks of one stage of a restore into its plan.'),
  'load-task': step('restore', 'restorer', 'work', 'Loads one task into the target.'),
  'audit-task': step('restore', 'auditor', 'work', 'Reads one range of the target and sums its digest.'),
  'conclude-restore': step('restore', 'keeper', 'small', 'Compares what was restored with the manifest.'),
  'abort-restore': step('restore', 'keeper', 'small', 'Finds out why a restore failed.'),
  'choose-backup': step('drill', 'recorder', 'small', 'Picks the backup that is drilled.'),
  'provision-scratch': step('drill', 'keeper', 'small', 'Promises the removal of the scratch target before it is made.'),
  'negative-control': step('drill', 'driller', 'long', 'Damages the scratch copy on purpose.'),
  'record-proof': step('drill', 'recorder', 'small', 'Writes the proof and its report.'),
  'discard-scratch': step('drill', 'driller', 'long', 'Removes the scratch target.'),
  'probe-source': step(null, 'planner', 'small', 'Tells doctor what it reaches of the source.'),
  'probe-target': step(null, 'restorer', 'small', 'Tells doctor what it reaches of where restores and drills go.'),
  janitor: step(null, 'janitor', 'long', 'Removes scratch targets and leases that no running execution owns.'),
};

/** One function an environment each. */
export const WATCH = 'watch';
export const NOTIFY = 'notify';

/** In MiB: Node lets the young generation grow to many times of it, a hundred and more of memory, where many requests are in flight. */
export const YOUNG_GENERATION = '--max-semi-space-size=16';

/** glibc keeps what was freed apart for each of many threads: 20 to 30 MiB a process. Read when a process starts. */
export const FEW_ARENAS = { MALLOC_ARENA_MAX: '2' } as const;
