import { memoryClaims } from '../../../src/backup/claims.ts';
import { sumDigests } from '../../../src/backup/digest.ts';
import type { Json, Manifest, Receipt } from '../../../src/backup/types.ts';
import type {
  Budget,
  Claims,
  Conclusion,
  Cursor,
  SegmentSource,
  Services,
  Stage,
  StageContext,
  Target,
  TaskContext,
} from '../../../src/sources/contract.ts';
import { addressFromUrl, type MysqlAddress } from '../../../src/sources/mysql/address.ts';
import { dumpStage } from '../../../src/sources/mysql/dump.ts';
import { mysqlSource } from '../../../src/sources/mysql/source.ts';
import { mysqlTarget } from '../../../src/sources/mysql/target.ts';
import {
  type Audited,
  auditedOf,
  BACKUP,
  type Collected,
  collector,
  forever,
  inOrder,
  manifestOf,
  readFrom,
  scriptOf,
} from '../../support/collected.ts';

export const services: Services = {
  secret: async (reference) => {
    throw new Error(`no secret ${reference} in this test`);
  },
  now: () => new Date(),
  temporary: '/nonexistent',
};

export const addressOf = (url: string): MysqlAddress => addressFromUrl(new URL(url));

const stageContext = (context: Partial<StageContext>, receipts: readonly Receipt[] = []): StageContext => ({
  input: { kind: 'backup', backup: BACKUP, facts: { product: '', version: '', place: '', content: '', bytes: 0, problems: [] } },
  budget: forever,
  read: {
    read: () => {
      throw new Error('nothing is read here');
    },
  },
  async *receipts() {
    yield* receipts;
  },
  instants: async () => [],
  ...context,
});

export interface DumpOptions {
  readonly lanes?: number;
  readonly chunkBytes?: number;
  readonly budget?: Budget;
  /** Called between planning and the first lane. */
  readonly planned?: (tasks: readonly Json[]) => Promise<void>;
  readonly sink?: Collected;
  /** Wraps the claims of a lane, to make things happen between chunks. */
  readonly claims?: (own: Claims, lane: number) => Claims;
}

export interface Backup {
  readonly manifest: Manifest;
  readonly read: SegmentSource;
  readonly sink: Collected;
  /** The whole artifact, decoded. */
  readonly script: Buffer;
  readonly tasks: readonly Json[];
  readonly receipts: readonly Receipt[];
  readonly conclusion: Conclusion;
}

/** Plan, all lanes at once, seal, conclude: a backup without a state machine. */
export async function backUp(url: string, options: DumpOptions = {}): Promise<Backup> {
  const source = mysqlSource(addressOf(url), services);
  const facts = await source.inspect();
  const instant = await source.open?.(BACKUP);
  if (instant === undefined || !('token' in instant)) throw new Error('a MySQL source opens its instant at once');
  const sink = options.sink ?? collector();
  const shared = {
    instants: async () => [instant],
    concurrency: options.lanes ?? 1,
    ...(options.budget === undefined ? {} : { budget: options.budget }),
  };
  const stage = dumpStage(addressOf(url), services, options.chunkBytes);
  const tasks: Json[] = [];
  for await (const { task } of stage.plan(stageContext(shared))) tasks.push(JSON.parse(JSON.stringify(task)));
  await options.planned?.(tasks);
  const claims = memoryClaims();
  const parts = await Promise.all(
    tasks.map((task, lane) =>
      stage.run(task, {
        ...stageContext(shared),
        task: lane,
        write: sink,
        progress: () => {},
        claims: options.claims?.(claims(lane), lane) ?? claims(lane),
      }),
    ),
  );
  const receipts: Receipt[] = parts.map(({ next: _, ...part }, task) => ({ task, part: 0, ...part }));
  const after = stageContext(shared, receipts);
  const sealed = await source.seal.run({}, { ...after, task: 0, write: sink, progress: () => {} });
  const conclusion = await source.conclude(after);
  const segments = inOrder([...receipts.flatMap((receipt) => receipt.segments), ...sealed.segments]);
  const digests = sumDigests(receipts.flatMap((receipt) => receipt.digests));
  const manifest = manifestOf('mysql', facts, conclusion, { segments, digests });
  return { manifest, read: readFrom(sink), sink, script: scriptOf(segments, sink), tasks, receipts, conclusion };
}

export interface RestoreOptions {
  readonly restore?: string;
  readonly scratch?: boolean;
  readonly overwrite?: boolean;
  readonly budget?: Budget;
  readonly read?: SegmentSource;
  /** Stages by name; all when absent. */
  readonly only?: readonly string[];
}

export const targetOf = (url: string): Target => mysqlTarget(addressOf(url), services);

/** All stages of a restore, as the state machine runs them. */
export async function restore(url: string, backup: Backup, options: RestoreOptions = {}): Promise<void> {
  for (const stage of targetOf(url).stages) {
    if (options.only !== undefined && !options.only.includes(stage.name)) continue;
    await runStage(stage, backup, options);
  }
}

export async function runStage(stage: Stage, backup: Backup, options: RestoreOptions = {}): Promise<Receipt[]> {
  const receipts: Receipt[] = [];
  let index = 0;
  for await (const { task } of stage.plan(restoreContext(backup, options))) {
    let resume: Cursor | undefined;
    for (let part = 0; part === 0 || resume !== undefined; part++) {
      const context: TaskContext = { ...restoreContext(backup, options), task: index, progress: () => {}, write: collector() };
      const { next, ...done } = await stage.run(JSON.parse(JSON.stringify(task)), context, resume);
      if (next !== undefined && next.cursor === resume) throw new Error(`no progress at ${next.cursor}`);
      receipts.push({ task: index, part, ...done });
      resume = next?.cursor;
    }
    index += 1;
  }
  return receipts;
}

export const restoreContext = (backup: Backup, options: RestoreOptions = {}): StageContext =>
  stageContext({
    input: {
      kind: 'restore',
      restore: options.restore ?? 'arn:restore-1',
      manifest: JSON.parse(JSON.stringify(backup.manifest)),
      scratch: options.scratch ?? false,
      overwrite: options.overwrite ?? false,
    },
    read: options.read ?? backup.read,
    ...(options.budget === undefined ? {} : { budget: options.budget }),
  });

export const audit = async (url: string, backup: Backup): Promise<Audited> =>
  auditedOf(backup.manifest, await runStage(targetOf(url).audit, backup));
