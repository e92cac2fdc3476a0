import { listBackups, type SoundEntry } from '../backup/catalog.ts';
import { backupId } from '../backup/id.ts';
import { proofKey, receiptsPrefix } from '../backup/layout.ts';
import { readAll } from '../backup/objects.ts';
import { decodeProof } from '../backup/proof.ts';
import { planRetention, type Retained } from '../backup/retention.ts';
import type { Proof } from '../backup/types.ts';
import type { BillLine, DeployedPlan, PlanResult } from '../cli/engine.ts';
import type { SourceEntry } from '../environment/environment.ts';
import { SIZES } from '../environment/steps.ts';
import { DEFAULT_CONCURRENCY, type World } from '../environment/world.ts';
import { billOf, line, runLines, storageLines } from './bill.ts';
import { limitsOf } from './limits.ts';
import type { Deployed } from './machine.ts';
import { startsPerMonth } from './schedule.ts';
import { type BackupWork, backupUsage, type DrillWork, drillUsage, type Sizes, type Usage } from './work.ts';

/** Raw bytes that one function of 1769 MB dumps a second: what pg_dump in a function was seen to do (10.5 GB in 892 s). */
const BYTES_PER_SECOND = 12_000_000;

/** Compressed by zstd, metadata is at most this part of its size in the sources that were measured. */
const COMPRESSED = 0.25;

/** Of one segment before compression, in bytes, where there is no backup to learn from. */
const SEGMENT_RAW_BYTES = 64 * 1024 * 1024;

/** Days that pruned backups can be brought back, as infra/storage-stack.ts has it. */
const UNDO_DAYS = 30;

/** Backups over so many days show what a retention keeps in the end: a year of months, and some. */
const SIMULATED_DAYS = 800;

/** What an environment costs, whatever its sources do. */
const WATCHING = 'watching: the hourly watcher and janitor';
const HOURS_PER_MONTH = 730;

/** What is known of a source before it is asked. */
export interface Last {
  readonly backup: SoundEntry;
  readonly tasks: number;
  readonly parts: number;
  /** Of the newest drill of any backup, if there was one that ended. */
  readonly drill: Proof | undefined;
}

export const lastOf = async (store: World['runtime']['store'], source: string): Promise<Last | undefined> => {
  let backup: SoundEntry | undefined;
  let drilled: SoundEntry | undefined;
  for await (const entry of listBackups(store, source)) {
    if (entry.state !== 'sound') continue;
    backup = entry;
    if (entry.proof.drill !== undefined) drilled = entry;
  }
  if (backup === undefined) return undefined;
  const drill = drilled?.proof.drill;
  const bytes =
    drilled === undefined || drill === undefined ? undefined : await readAll(store, proofKey(source, drilled.backup, drill, 'json'));
  return { backup, ...(await partsOf(store, backup)), drill: bytes === undefined ? undefined : decodeProof(bytes) };
};

/** Receipts lie beside the segments, one for each invocation that a task took. */
const partsOf = async (
  store: World['runtime']['store'],
  { source, backup }: SoundEntry,
): Promise<{ readonly tasks: number; readonly parts: number }> => {
  const prefix = receiptsPrefix(source, backup, 'dump');
  const tasks = new Set<string>();
  let parts = 0;
  for await (const { key } of store.list(prefix)) {
    parts += 1;
    tasks.add(key.slice(prefix.length).split('.', 1)[0] ?? '');
  }
  return { tasks: tasks.size, parts };
};

/** What is known when the source itself cannot be asked from here. */
export const planOfLast = (source: string, { backup: { manifest }, tasks }: Last): PlanResult => ({
  source,
  facts: {
    product: manifest.source.product,
    version: manifest.source.version,
    place: manifest.source.place,
    content: manifest.source.content,
    bytes: manifest.segments.reduce((sum, { rawBytes }) => sum + rawBytes, 0),
    problems: [],
  },
  stage: 'dump',
  mode: 'independent',
  tasks,
});

export interface PlanInput {
  readonly deployed: Deployed;
  readonly world: World;
  readonly plan: PlanResult;
  readonly last: Last | undefined;
  readonly lanes: 0 | 2;
  readonly now: Date;
  /** Where the numbers of the source come from, where it is not the source itself. */
  readonly note?: string;
}

/** What a backup, a month and the limits look like where the environment is deployed. */
export const deployedPlan = (input: PlanInput): DeployedPlan => {
  const { deployed, plan, last, now } = input;
  const entry = input.world.entry(plan.source);
  const sizes = sizesOf(deployed);
  const work = last === undefined ? assumedWork(input, entry) : measuredWork(last, input, entry);
  const usage = backupUsage(work, sizes);
  const drill = drillOf(last, entry);
  const backups = startsPerMonth(entry.schedule);
  const drills = startsPerMonth(entry.drill?.schedule);
  const month = [
    ...(backups === 0 ? [] : runLines('backups', usage, backups)),
    ...(drill === undefined || drills === 0 ? [] : runLines('drills', drillUsage(drill, sizes), drills)),
    ...runLines(WATCHING, WATCH_USAGE),
    ...storageLines({
      bytes: work.bytes,
      kept: keptBackups(entry, backups, now),
      pruned: entry.retention === undefined ? 0 : Math.round((backups * UNDO_DAYS * 12) / 365),
      replicated: deployed.deployment.replication !== undefined,
      backupsPerMonth: backups,
    }),
    ...fixedLines(deployed, entry),
  ].filter(({ quantity }) => quantity > 0);
  return {
    basis: [
      last === undefined
        ? `assumed: ${BYTES_PER_SECOND / 1e6} MB/s a function, compressed to a quarter`
        : `as backup ${last.backup.backup}`,
      input.note,
    ]
      .filter((text) => text !== undefined)
      .join('; '),
    backup: billOf(runLines('backup', usage).filter(({ quantity }) => quantity > 0)),
    month: billOf(month),
    limits: limitsOf({
      work,
      usage,
      sizes,
      largest: largestSegment(last),
      together: plan.mode === 'together',
      environment: deployed.environment,
    }),
    notCounted: notCounted(deployed, entry, { backups, drills, drill }),
  };
};

const sizesOf = ({ deployment }: Deployed): Sizes => {
  const dump = deployment.functions?.['dump-task'];
  return {
    workMb: dump?.memoryMb ?? SIZES.work.memoryMb,
    longMb: deployment.functions?.['hold']?.memoryMb ?? SIZES.long.memoryMb,
    temporaryMb: dump?.temporaryMb ?? SIZES.work.temporaryMb,
  };
};

const measuredWork = ({ backup, tasks, parts }: Last, { plan, lanes }: PlanInput, entry: SourceEntry): BackupWork => ({
  tasks: plan.tasks ?? tasks,
  parts: Math.max(parts, plan.tasks ?? tasks),
  segments: backup.manifest.segments.length,
  bytes: backup.bytes,
  seconds: (Date.parse(backup.manifest.sealedAt) - Date.parse(backup.manifest.startedAt)) / 1000,
  concurrency: entry.concurrency ?? DEFAULT_CONCURRENCY,
  lanes,
});

const assumedWork = ({ plan, lanes }: PlanInput, entry: SourceEntry): BackupWork => {
  const { bytes } = plan.facts;
  const concurrency = entry.concurrency ?? DEFAULT_CONCURRENCY;
  const segments = Math.max(1, Math.ceil(bytes / SEGMENT_RAW_BYTES));
  const tasks = plan.tasks ?? segments;
  const seconds = bytes / BYTES_PER_SECOND / Math.max(1, Math.min(concurrency, tasks));
  return {
    tasks,
    parts: Math.max(tasks, Math.ceil(bytes / BYTES_PER_SECOND / SIZES.work.seconds)),
    segments,
    bytes: bytes * COMPRESSED,
    seconds,
    concurrency,
    lanes,
  };
};

const drillOf = (last: Last | undefined, entry: SourceEntry): DrillWork | undefined =>
  last?.drill === undefined
    ? undefined
    : {
        seconds: last.drill.phases.reduce((sum, { seconds }) => sum + seconds, 0),
        segments: last.backup.manifest.segments.length,
        concurrency: entry.concurrency ?? DEFAULT_CONCURRENCY,
      };

/** A look of the watcher and one of the janitor every hour, of a second each. */
const WATCH_USAGE: Usage = {
  invocations: 2 * HOURS_PER_MONTH,
  gbSeconds: (2 * HOURS_PER_MONTH * SIZES.long.memoryMb) / 1024,
  temporaryGbSeconds: 0,
  transitions: 0,
  writes: 6 * HOURS_PER_MONTH,
  reads: 40 * HOURS_PER_MONTH,
  logBytes: 2 * HOURS_PER_MONTH * 2_000,
};

/** As many as are there once the oldest rule is filled; without a retention those of a year. */
export const keptBackups = (entry: SourceEntry, backupsPerMonth: number, now: Date): number => {
  if (backupsPerMonth === 0) return 1;
  if (entry.retention === undefined) return Math.round(backupsPerMonth * 12);
  const gap = (365 * 86_400_000) / 12 / backupsPerMonth;
  const entries: Retained[] = [];
  for (let age = 0; age < SIMULATED_DAYS * 86_400_000; age += gap) {
    const at = new Date(now.getTime() - age);
    entries.push({ source: 'one', backup: backupId(at, 'plan'), state: 'sound', recordedAt: at.toISOString(), proof: { state: 'never' } });
  }
  return planRetention(entries, entry.retention, now, { timezone: entry.timezone }).keep.length;
};

const fixedLines = ({ environment, deployment }: Deployed, entry: SourceEntry): readonly BillLine[] => {
  const systems = [
    entry.address,
    ...[entry.drill?.scratch, entry.restore?.target].map((name) => (name === undefined ? null : environment.targets[name]?.address)),
  ];
  const secrets = new Set(JSON.stringify(systems).match(/secretsmanager:arn:[^"]+/g));
  return [
    line('secrets', secrets.size, 'secretMonth'),
    ...(deployment.kms?.key === undefined ? [line('the key of the environment', 1, 'kmsKeyMonth')] : []),
  ];
};

const largestSegment = (last: Last | undefined): number => Math.max(0, ...(last?.backup.manifest.segments.map(({ bytes }) => bytes) ?? []));

const notCounted = (
  { deployment }: Deployed,
  entry: SourceEntry,
  { backups, drills, drill }: { readonly backups: number; readonly drills: number; readonly drill: DrillWork | undefined },
): DeployedPlan['notCounted'] => [
  ...(backups === 0 ? [{ what: 'backups', why: 'the source has no schedule' }] : []),
  ...(drills > 0 && drill === undefined ? [{ what: 'drills', why: 'none has ended yet: how long one takes is not known' }] : []),
  ...(entry.retention === undefined && backups > 0
    ? [{ what: 'storage beyond a year', why: 'the source has no retention: nothing is ever pruned' }]
    : []),
  ...(deployment.vpc?.endpoints === 'create'
    ? [{ what: `interface endpoints in ${deployment.vpc.availabilityZones.length} zones`, why: 'no price with a source' }]
    : []),
  ...(deployment.coldAfterDays === undefined
    ? []
    : [{ what: 'Glacier Instant Retrieval', why: 'no price with a source: counted as S3 Standard, which costs more' }]),
  ...(entry.kind === 'lakefs' ? [{ what: 'objects that backups share', why: 'they are as large as the repositories' }] : []),
  ...(entry.kind === 'rds'
    ? [{ what: 'snapshots, clones and instances of drills in RDS', why: 'their sizes and classes are those of RDS' }]
    : []),
  { what: 'scratch servers of drills', why: 'they are yours, and may serve others' },
  { what: 'alarms, metrics, dashboard, SNS, EventBridge, X-Ray', why: 'no price with a source' },
  { what: 'the free tier', why: 'it may be used up by others' },
];
