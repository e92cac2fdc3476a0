import { compareDigests, sumDigests } from '../../../src/backup/digest.ts';
import { parseBackupId } from '../../../src/backup/id.ts';
import type { Check, ClassDigest, Json, Manifest, Receipt, Segment } from '../../../src/backup/types.ts';
import type { Budget, Cursor, SegmentSource, Stage, StageContext, StageInput, Target, TaskContext } from '../../../src/sources/contract.ts';
import { withConnection } from '../../../src/sources/postgres/connect.ts';
import { inspectDatabase } from '../../../src/sources/postgres/inspect.ts';
import { postgresTarget } from '../../../src/sources/postgres/target.ts';
import { addressOf, type Collected, collector, type DumpOptions, dumpDatabase, forever, services } from './harness.ts';

export interface Backup {
  readonly manifest: Manifest;
  readonly read: SegmentSource;
  readonly script: Buffer;
  readonly sink: Collected;
}

/** A backup in memory. */
export async function backUp(url: string, options: DumpOptions = {}): Promise<Backup> {
  const sink = options.sink ?? collector();
  const facts = await withConnection(addressOf(url), services, inspectDatabase);
  const dumped = await dumpDatabase(url, { ...options, sink });
  const id = parseBackupId('20261121T013000Z-4f2a');
  if (id === undefined) throw new Error('not an id');
  const { pointInTime, artifact, assertions, details, notIncluded } = dumped.conclusion;
  const manifest: Manifest = {
    formatVersion: 1,
    tool: 'lifeboat test',
    backup: id,
    execution: 'arn:test',
    source: { name: 'test', kind: 'postgres', product: facts.product, version: facts.version, place: facts.place, content: facts.content },
    pointInTime,
    startedAt: pointInTime.at,
    sealedAt: pointInTime.at,
    artifact,
    segments: dumped.segments,
    digests: dumped.digests,
    assertions,
    details,
    notIncluded,
    timings: {},
    previous: null,
  };
  return { manifest, read: readFrom(sink), script: dumped.script, sink };
}

/** Segments as the sink kept them, in blocks of a size that cuts lines. */
export const readFrom = (sink: Pick<Collected, 'texts'>): SegmentSource => ({
  async *read(segment: Segment) {
    const bytes = sink.texts.get(segment.ordinal);
    if (bytes === undefined) throw new Error(`no segment ${segment.ordinal}`);
    for (let at = 0; at < bytes.length; at += 65_521) yield bytes.subarray(at, at + 65_521);
  },
});

export interface RestoreOptions {
  readonly restore?: string;
  readonly scratch?: boolean;
  readonly overwrite?: boolean;
  readonly budget?: () => Budget;
  readonly parallel?: number;
  readonly read?: SegmentSource;
  /** Stages by name; all when absent. */
  readonly only?: readonly string[];
}

export const targetOf = (url: string): Target => postgresTarget(addressOf(url), services);

/** All stages of a restore, as the state machine runs them; answers the receipts by stage. */
export async function restore(url: string, backup: Backup, options: RestoreOptions = {}): Promise<Map<string, Receipt[]>> {
  const done = new Map<string, Receipt[]>();
  for (const stage of targetOf(url).stages) {
    if (options.only !== undefined && !options.only.includes(stage.name)) continue;
    done.set(stage.name, await runStage(stage, backup, options));
  }
  return done;
}

export async function runStage(stage: Stage, backup: Backup, options: RestoreOptions = {}): Promise<Receipt[]> {
  const tasks: Json[] = [];
  for await (const { task } of stage.plan(contextOf(backup, options))) tasks.push(JSON.parse(JSON.stringify(task)));
  const byTask: Receipt[][] = tasks.map(() => []);
  const queue = [...tasks.entries()];
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift())
      byTask[next[0]] = await runTask(stage, next[1], next[0], backup, options);
  };
  await Promise.all(Array.from({ length: options.parallel ?? 2 }, lane));
  return byTask.flat();
}

async function runTask(stage: Stage, json: Json, task: number, backup: Backup, options: RestoreOptions): Promise<Receipt[]> {
  const receipts: Receipt[] = [];
  let resume: Cursor | undefined;
  do {
    const context: TaskContext = {
      ...contextOf(backup, options),
      task,
      progress: () => {},
      write: {
        write: () => {
          throw new Error('a restore writes no segments');
        },
      },
    };
    const { next, ...part } = await stage.run(json, context, resume);
    if (next !== undefined && next.cursor === resume && next.afterSeconds === undefined) throw new Error(`no progress at ${next.cursor}`);
    receipts.push({ task, part: receipts.length, ...part, ...(next === undefined ? {} : { next }) });
    resume = next?.cursor;
  } while (resume !== undefined);
  return receipts;
}

export const contextOf = (backup: Backup, options: RestoreOptions = {}): StageContext => ({
  input: {
    kind: 'restore',
    restore: options.restore ?? 'arn:restore-1',
    manifest: JSON.parse(JSON.stringify(backup.manifest)),
    scratch: options.scratch ?? false,
    overwrite: options.overwrite ?? false,
  } satisfies StageInput,
  budget: options.budget?.() ?? forever,
  read: options.read ?? backup.read,
  async *receipts() {},
  instants: async () => [],
});

export interface Audited {
  readonly digests: readonly ClassDigest[];
  readonly checks: readonly Check[];
  /** Names of classes that differ, sorted. */
  readonly failed: readonly string[];
}

export async function audit(url: string, backup: Backup, options: RestoreOptions = {}): Promise<Audited> {
  const receipts = await runStage(targetOf(url).audit, backup, options);
  const digests = sumDigests(receipts.flatMap((receipt) => receipt.digests));
  const checks = receipts.flatMap((receipt) =>
    receipt.facts === undefined ? [] : (receipt.facts as unknown as { checks: Check[] }).checks,
  );
  const compared = compareDigests(backup.manifest.digests, digests);
  const failed = [...new Set(compared.filter((check) => !check.ok).map((check) => check.class ?? check.name))].sort();
  return { digests, checks, failed };
}
