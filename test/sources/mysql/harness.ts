import { createHash } from 'node:crypto';
import { memoryClaims } from '../../../src/backup/claims.ts';
import { compareDigests, sumDigests } from '../../../src/backup/digest.ts';
import { parseBackupId } from '../../../src/backup/id.ts';
import type { Check, ClassDigest, Json, Manifest, Receipt, Segment } from '../../../src/backup/types.ts';
import type {
  Budget,
  Claims,
  Conclusion,
  Cursor,
  SegmentSink,
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

export const services: Services = {
  secret: async (reference) => {
    throw new Error(`no secret ${reference} in this test`);
  },
  now: () => new Date(),
  temporary: '/nonexistent',
};

export const addressOf = (url: string): MysqlAddress => addressFromUrl(new URL(url));

export const forever: Budget = { remaining: () => 600_000, signal: new AbortController().signal };

/** Keeps what is written, decoded, by ordinal. */
export interface Collected extends SegmentSink {
  readonly texts: Map<string, Buffer>;
}

export const collector = (): Collected => {
  const texts = new Map<string, Buffer>();
  return {
    texts,
    async write(at, raw, as) {
      const parts: Buffer[] = [];
      for await (const block of raw) parts.push(Buffer.from(block));
      const text = Buffer.concat(parts);
      texts.set(at, text);
      return {
        key: `segments/${at}`,
        ordinal: at,
        role: as.role ?? 'artifact',
        encoding: as.encoding,
        bytes: text.length,
        rawBytes: text.length,
        sha256: createHash('sha256').update(text).digest('hex'),
        ...(as.context === undefined ? {} : { context: as.context }),
      };
    },
  };
};

const backupIdOf = () => {
  const id = parseBackupId('20261121T013000Z-4f2a');
  if (id === undefined) throw new Error('not an id');
  return id;
};

const stageContext = (context: Partial<StageContext>, receipts: readonly Receipt[] = []): StageContext => ({
  input: { kind: 'backup', backup: backupIdOf(), facts: { product: '', version: '', place: '', content: '', bytes: 0, problems: [] } },
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
  const instant = await source.open?.(backupIdOf());
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
  const segments = [...receipts.flatMap((receipt) => receipt.segments), ...sealed.segments].sort((a, b) =>
    a.ordinal < b.ordinal ? -1 : 1,
  );
  const { pointInTime, artifact, assertions, details, notIncluded } = conclusion;
  const manifest: Manifest = {
    formatVersion: 1,
    tool: 'lifeboat test',
    backup: backupIdOf(),
    execution: 'arn:test',
    source: { name: 'test', kind: 'mysql', product: facts.product, version: facts.version, place: facts.place, content: facts.content },
    pointInTime,
    startedAt: pointInTime.at,
    sealedAt: pointInTime.at,
    artifact,
    segments,
    digests: sumDigests(receipts.flatMap((receipt) => receipt.digests)),
    assertions,
    details,
    notIncluded,
    timings: {},
    previous: null,
  };
  const script = Buffer.concat(segments.map((segment) => sink.texts.get(segment.ordinal) ?? Buffer.alloc(0)));
  return { manifest, read: readFrom(sink), sink, script, tasks, receipts, conclusion };
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

export interface Audited {
  readonly digests: readonly ClassDigest[];
  readonly checks: readonly Check[];
  /** Names of classes that differ, sorted. */
  readonly failed: readonly string[];
}

export async function audit(url: string, backup: Backup): Promise<Audited> {
  const receipts = await runStage(targetOf(url).audit, backup);
  const digests = sumDigests(receipts.flatMap((receipt) => receipt.digests));
  const checks = receipts.flatMap((receipt) =>
    receipt.facts === undefined ? [] : (receipt.facts as unknown as { checks: Check[] }).checks,
  );
  const compared = compareDigests(backup.manifest.digests, digests);
  return { digests, checks, failed: [...new Set(compared.filter((check) => !check.ok).map((check) => check.class ?? check.name))].sort() };
}
