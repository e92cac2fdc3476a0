import type { Limit } from '../cli/engine.ts';
import type { Environment } from '../environment/environment.ts';
import { SIZES } from '../environment/steps.ts';
import { DEFAULT_CONCURRENCY } from '../environment/world.ts';
import type { BackupWork, Sizes, Usage } from './work.ts';

/** Children of one Map run: a hard quota of Step Functions. */
const CHILDREN_MAX = 10_000;

/** TimeoutSeconds of state-machines/backup.asl.json. */
const BACKUP_SECONDS_MAX = 43_200;

/** Events of one execution: a hard quota of Step Functions. A transition makes about five. */
const EVENTS_MAX = 25_000;
const EVENTS_PER_TRANSITION = 5;

/** Functions at once in an account that has not asked for more; `lifeboat doctor` asks for the account's own. */
const CONCURRENT_MAX = 1_000;

/** Functions of one running backup beside its Map: two holders, and whoever plans or seals. */
const BESIDE_THE_MAP = 3;

/** As many as run when the backups of all sources do, as schedules of one night make them. */
export const functionsAtOnce = ({ sources }: Environment): number =>
  Object.values(sources).reduce((sum, entry) => sum + (entry.concurrency ?? DEFAULT_CONCURRENCY) + BESIDE_THE_MAP, 0);

export interface LimitsInput {
  readonly work: BackupWork;
  readonly usage: Usage;
  readonly sizes: Sizes;
  /** Of the last backup's segments, in bytes; 0 when there is none. */
  readonly largest: number;
  readonly together: boolean;
  readonly environment: Environment;
}

export const limitsOf = ({ work, usage, sizes, largest, together, environment }: LimitsInput): readonly Limit[] => {
  const limit = (what: string, value: number, max: number, unit: string, hint: string): Limit => ({
    what,
    value,
    limit: max,
    unit,
    fits: value <= max,
    hint,
  });
  const perPart = work.parts === 0 ? 0 : (work.seconds * Math.min(work.concurrency, work.tasks)) / work.parts;
  return [
    limit('children of the Map run', work.tasks, CHILDREN_MAX, 'tasks', 'Larger chunks make fewer tasks.'),
    together
      ? limit(
          'time of a lane, which cannot hand back',
          work.seconds,
          SIZES.work.seconds,
          's',
          'More lanes, or another way to read: see the guide of the kind.',
        )
      : limit(
          'time of an invocation, on average',
          perPart,
          SIZES.work.seconds,
          's',
          'A task that needs more hands back a cursor and goes on.',
        ),
    limit('time of a backup', work.seconds, BACKUP_SECONDS_MAX, 's', 'More concurrency makes it shorter.'),
    limit(
      'history of the machine',
      (usage.transitions - 4 * work.tasks - 2 * (work.parts - work.tasks)) * EVENTS_PER_TRANSITION,
      EVENTS_MAX,
      'events',
      'More concurrency makes the instant shorter.',
    ),
    limit('/tmp of dump-task', largest / 1e6, sizes.temporaryMb, 'MB', 'deployment.functions gives dump-task up to 10240.'),
    limit(
      'functions at once, all sources',
      functionsAtOnce(environment),
      CONCURRENT_MAX,
      'functions',
      'Lower concurrency, or ask AWS for more.',
    ),
  ];
};
