import { sumDigests } from '../../../src/backup/digest.ts';
import type { ClassDigest, Json, PointInTime, Receipt, Segment } from '../../../src/backup/types.ts';
import type { Budget, Cursor, Held, SegmentSink, Services, Stage, StageContext, TaskContext } from '../../../src/sources/contract.ts';
import { addressFromUrl, type PostgresAddress } from '../../../src/sources/postgres/address.ts';
import { concludeDump } from '../../../src/sources/postgres/conclude.ts';
import { type DumpSizes, dumpStage } from '../../../src/sources/postgres/dump.ts';
import { holdInstant } from '../../../src/sources/postgres/hold.ts';
import { sealStage } from '../../../src/sources/postgres/seal.ts';
import { BACKUP, type Collected, collector, forever, inOrder, scriptOf } from '../../support/collected.ts';

export const services: Services = {
  secret: async (reference) => {
    throw new Error(`no secret ${reference} in this test`);
  },
  now: () => new Date(),
  temporary: '/nonexistent',
};

export const addressOf = (url: string): PostgresAddress => addressFromUrl(new URL(url));

/** Time is over at each look: a task hands back after as little as it can do. */
export const none: Budget = { remaining: () => 0, signal: new AbortController().signal };

/** The records of the instant, as the control area would keep them. */
export const memoryHeld = (): Held & { readonly published: PointInTime[] } => {
  const published: PointInTime[] = [];
  return {
    published,
    instants: async () => [...published].reverse(),
    publish: async (at) => {
      published.push(JSON.parse(JSON.stringify(at)));
    },
  };
};

/** Holds the instant of `url` while `work` runs. */
export const whileHeld = async <Result>(
  url: string,
  work: (instants: () => Promise<readonly PointInTime[]>) => Promise<Result>,
): Promise<Result> => {
  const held = memoryHeld();
  const release = new AbortController();
  const holding = holdInstant(addressOf(url), services, held, { remaining: () => 600_000, signal: release.signal });
  try {
    while (held.published.length === 0) await Promise.race([holding, new Promise((resolve) => setTimeout(resolve, 5))]);
    return await work(held.instants);
  } finally {
    release.abort();
    await holding;
  }
};

export const stageContext = (instants: StageContext['instants'], budget: Budget, receipts: readonly Receipt[] = []): StageContext => ({
  input: { kind: 'backup', backup: BACKUP, facts: { product: '', version: '', place: '', content: '', bytes: 0, problems: [] } },
  budget,
  read: {
    read: () => {
      throw new Error('nothing is read here');
    },
  },
  async *receipts() {
    yield* receipts;
  },
  instants,
});

export const taskContext = (context: StageContext, task: number, write: SegmentSink): TaskContext => ({
  ...context,
  task,
  write,
  progress: () => {},
});

/** One task with all its continuations. */
export const runTask = async (stage: Stage, json: Json, context: TaskContext): Promise<Receipt[]> => {
  const receipts: Receipt[] = [];
  let resume: Cursor | undefined;
  do {
    const { next, ...part } = await stage.run(json, context, resume);
    if (next !== undefined && next.cursor === resume) throw new Error(`no progress at ${next.cursor}`);
    receipts.push({ task: context.task, part: receipts.length, ...part, ...(next === undefined ? {} : { next }) });
    resume = next?.cursor;
  } while (resume !== undefined);
  return receipts;
};

export interface Dumped {
  readonly receipts: readonly Receipt[];
  readonly digests: readonly ClassDigest[];
  readonly segments: readonly Segment[];
  /** By ordinal, decoded. */
  readonly texts: Collected['texts'];
  /** The whole artifact, decoded. */
  readonly script: Buffer;
  readonly tasks: readonly Json[];
  readonly conclusion: Awaited<ReturnType<typeof concludeDump>>;
}

export interface DumpOptions {
  readonly sizes?: DumpSizes;
  readonly budget?: Budget;
  /** Called between planning and the first task. */
  readonly planned?: () => Promise<void>;
  readonly sink?: Collected;
  readonly parallel?: number;
}

/** Plan, every task, seal, conclude: a backup without a state machine. */
export const dumpDatabase = (url: string, options: DumpOptions = {}): Promise<Dumped> =>
  whileHeld(url, (instants) => dumpAt(url, instants, options));

export const dumpAt = async (url: string, instants: StageContext['instants'], options: DumpOptions = {}): Promise<Dumped> => {
  const sink = options.sink ?? collector();
  const dump = dumpStage(addressOf(url), services, options.sizes);
  const context = stageContext(instants, options.budget ?? forever);
  const tasks: Json[] = [];
  for await (const { task } of dump.plan(context)) tasks.push(JSON.parse(JSON.stringify(task)));
  await options.planned?.();
  const byTask: Receipt[][] = [];
  const queue = [...tasks.entries()];
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift())
      byTask[next[0]] = await runTask(dump, next[1], taskContext(context, next[0], sink));
  };
  await Promise.all(Array.from({ length: options.parallel ?? 1 }, lane));
  const receipts = byTask.flat();
  const after = stageContext(instants, forever, receipts);
  const sealed: Receipt[] = [];
  for await (const { task } of sealStage.plan(after)) sealed.push(...(await runTask(sealStage, task, taskContext(after, 0, sink))));
  const segments = inOrder([...receipts, ...sealed].flatMap((receipt) => receipt.segments));
  return {
    tasks,
    receipts,
    segments,
    texts: sink.texts,
    digests: sumDigests(receipts.flatMap((receipt) => receipt.digests)),
    script: scriptOf(segments, sink),
    conclusion: await concludeDump(after),
  };
};
