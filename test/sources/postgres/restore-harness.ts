import type { Json, Manifest, Receipt } from '../../../src/backup/types.ts';
import type { Budget, Cursor, SegmentSource, Stage, StageContext, StageInput, Target, TaskContext } from '../../../src/sources/contract.ts';
import { withConnection } from '../../../src/sources/postgres/connect.ts';
import { inspectDatabase } from '../../../src/sources/postgres/inspect.ts';
import { postgresTarget } from '../../../src/sources/postgres/target.ts';
import { type Audited, auditedOf, type Collected, collector, forever, manifestOf, readFrom } from '../../support/collected.ts';
import { addressOf, type DumpOptions, dumpDatabase, services } from './harness.ts';

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
  const manifest = manifestOf('postgres', facts, dumped.conclusion, dumped);
  return { manifest, read: readFrom(sink), script: dumped.script, sink };
}

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

export const audit = async (url: string, backup: Backup, options: RestoreOptions = {}): Promise<Audited> =>
  auditedOf(backup.manifest, await runStage(targetOf(url).audit, backup, options));
