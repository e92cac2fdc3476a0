import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { decode, encode } from '../../../src/backup/codec.ts';
import { sumDigests } from '../../../src/backup/digest.ts';
import { parseBackupId } from '../../../src/backup/id.ts';
import type { Check, ClassDigest, Json, Manifest, PointInTime, Receipt, Segment } from '../../../src/backup/types.ts';
import type {
  Budget,
  Cursor,
  SegmentSink,
  SegmentSource,
  Services,
  Stage,
  StageContext,
  StageInput,
  Target,
  TaskContext,
} from '../../../src/sources/contract.ts';
import {
  type InstanceAddress,
  instanceAt,
  type MeilisearchAddress,
  MeilisearchAddressSchema,
} from '../../../src/sources/meilisearch/address.ts';
import { concludeDump } from '../../../src/sources/meilisearch/conclude.ts';
import { type DumpSizes, dumpStage } from '../../../src/sources/meilisearch/dump.ts';
import { inspectSource } from '../../../src/sources/meilisearch/inspect.ts';
import { openInstant } from '../../../src/sources/meilisearch/instant.ts';
import { sealStage } from '../../../src/sources/meilisearch/seal.ts';
import type { MeilisearchServer } from '../../support/meilisearch-server.ts';

export const MASTER_KEY = 'lab-master-key-0123456789abcdef';

export const services: Services = {
  secret: async () => MASTER_KEY,
  now: () => new Date(),
  temporary: '/tmp/lifeboat-meilisearch-tests',
};

export const addressOf = (server: MeilisearchServer, more: Partial<MeilisearchAddress> = {}): InstanceAddress =>
  instanceAt(MeilisearchAddressSchema.parse({ url: server.url, apiKey: 'env:MASTER', ...more }));

export const forever: Budget = { remaining: () => 600_000, signal: new AbortController().signal };
/** Time is over at each look. */
export const none: Budget = { remaining: () => 0, signal: new AbortController().signal };

/** Segments in memory, as a store would keep them. */
export interface Kept extends SegmentSink, SegmentSource {
  readonly stored: ReadonlyMap<string, Buffer>;
}

export const memorySegments = (): Kept => {
  const stored = new Map<string, Buffer>();
  return {
    stored,
    async write(ordinal, raw, as) {
      let [rawBytes, rawCrc32] = [0, 0];
      const parts: Uint8Array[] = [];
      const encoded = encode(raw, as.encoding, (block) => {
        rawBytes += block.length;
        rawCrc32 = crc32(block, rawCrc32);
      });
      for await (const chunk of encoded) parts.push(Buffer.from(chunk));
      const bytes = Buffer.concat(parts);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const key = `segments/${ordinal}-${sha256.slice(0, 8)}.${as.extension}`;
      stored.set(key, bytes);
      const crc = as.encoding === 'deflate-raw-flushed' ? { rawCrc32 } : {};
      return {
        key,
        ordinal,
        role: as.role ?? 'artifact',
        encoding: as.encoding,
        bytes: bytes.length,
        rawBytes,
        sha256,
        ...crc,
        ...(as.context === undefined ? {} : { context: as.context }),
      };
    },
    async *read(segment) {
      const bytes = stored.get(segment.key);
      if (bytes === undefined) throw new Error(`no segment ${segment.key}`);
      yield* decode(
        (async function* () {
          yield bytes;
        })(),
        segment.encoding,
      );
    },
  };
};

const backup = parseBackupId('20261121T013000Z-4f2a');
if (backup === undefined) throw new Error('not an id');

/** All parts of one task. */
export const runTask = async (stage: Stage, json: Json, context: TaskContext): Promise<Receipt[]> => {
  const receipts: Receipt[] = [];
  let resume: Cursor | undefined;
  do {
    const { next, ...part } = await stage.run(json, context, resume);
    if (next !== undefined && next.cursor === resume) throw new Error(`no progress at ${next.cursor}`);
    receipts.push(
      JSON.parse(JSON.stringify({ task: context.task, part: receipts.length, ...part, ...(next === undefined ? {} : { next }) })),
    );
    if ((next?.afterSeconds ?? 0) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    resume = next?.cursor;
  } while (resume !== undefined);
  return receipts;
};

export const runStage = async (stage: Stage, context: Omit<TaskContext, 'task'>): Promise<Receipt[]> => {
  const tasks: Json[] = [];
  for await (const { task } of stage.plan(context)) tasks.push(JSON.parse(JSON.stringify(task)));
  const receipts: Receipt[] = [];
  for (const [task, json] of tasks.entries()) receipts.push(...(await runTask(stage, json, { ...context, task })));
  return receipts;
};

export interface Backup {
  readonly manifest: Manifest;
  readonly segments: Kept;
  /** The whole artifact, as the store has it. */
  readonly dump: Buffer;
}

export interface BackupOptions {
  readonly address?: Partial<MeilisearchAddress>;
  readonly sizes?: DumpSizes;
  readonly budget?: Budget;
  readonly planned?: () => Promise<void> | void;
  readonly waitMs?: number;
}

/** A backup without state machines. */
export const backUp = (server: MeilisearchServer, options: BackupOptions = {}): Promise<Backup> =>
  backUpAt(addressOf(server, options.address), options);

export const backUpAt = async (address: InstanceAddress, options: BackupOptions = {}): Promise<Backup> => {
  const facts = await inspectSource(address, services);
  const at: PointInTime = await openInstant(address, services, options.waitMs ?? 2000);
  const segments = memorySegments();
  const receipts = new Map<string, Receipt[]>();
  const base = contextOf({ kind: 'backup', backup, facts }, segments, receipts, options.budget ?? forever, async () => [at]);
  const dump = dumpStage(address, services, options.sizes);
  const tasks: Json[] = [];
  for await (const { task } of dump.plan(base)) tasks.push(JSON.parse(JSON.stringify(task)));
  await options.planned?.();
  const done: Receipt[] = [];
  for (const [task, json] of tasks.entries()) done.push(...(await runTask(dump, json, { ...base, task })));
  receipts.set('dump', done);
  receipts.set('seal', await runStage(sealStage, base));
  const all = [...receipts.values()].flat();
  const listed = all.flatMap((receipt) => receipt.segments).sort((a, b) => (a.ordinal < b.ordinal ? -1 : 1));
  const conclusion = await concludeDump(base);
  const { guide: _, ...rest } = conclusion;
  const manifest: Manifest = {
    formatVersion: 1,
    tool: 'test',
    backup,
    execution: 'test',
    source: {
      name: 'search',
      kind: 'meilisearch',
      product: facts.product,
      version: facts.version,
      place: facts.place,
      content: facts.content,
    },
    startedAt: at.at,
    sealedAt: at.at,
    segments: listed,
    digests: sumDigests(all.flatMap((receipt) => receipt.digests)),
    timings: {},
    previous: null,
    ...rest,
  };
  return { manifest, segments, dump: artifactOf(listed, segments) };
};

const artifactOf = (listed: readonly Segment[], { stored }: Kept): Buffer =>
  Buffer.concat(listed.filter(({ role }) => role === 'artifact').map(({ key }) => stored.get(key) ?? Buffer.alloc(0)));

const contextOf = (
  input: StageInput,
  segments: Kept,
  receipts: ReadonlyMap<string, readonly Receipt[]>,
  budget: Budget,
  instants: StageContext['instants'],
): Omit<TaskContext, 'task'> => ({
  input,
  budget,
  read: segments,
  write: segments,
  async *receipts(stage) {
    yield* receipts.get(stage) ?? [];
  },
  instants,
  progress: () => {},
});

export interface RestoreOptions {
  readonly scratch?: boolean;
  readonly overwrite?: boolean;
  readonly budget?: Budget;
  readonly restore?: string;
}

export const restoreContext = ({ manifest, segments }: Backup, options: RestoreOptions = {}) => {
  const receipts = new Map<string, Receipt[]>();
  const input: StageInput = {
    kind: 'restore',
    restore: options.restore ?? 'restore-1',
    manifest,
    scratch: options.scratch ?? false,
    overwrite: options.overwrite ?? false,
  };
  return contextOf(input, segments, receipts, options.budget ?? forever, async () => []);
};

/** All stages of a restore, without the audit. */
export const restoreInto = async (target: Target, from: Backup, options: RestoreOptions = {}): Promise<void> => {
  for (const stage of target.stages) await runStage(stage, restoreContext(from, options));
};

export interface Audit {
  readonly digests: readonly ClassDigest[];
  readonly checks: readonly Check[];
}

export const auditOf = async (target: Target, from: Backup, options: RestoreOptions = {}): Promise<Audit> => {
  const receipts = await runStage(target.audit, restoreContext(from, options));
  return {
    digests: sumDigests(receipts.flatMap((receipt) => receipt.digests)),
    checks: receipts.flatMap(({ facts }) => (facts as { checks?: Check[] } | undefined)?.checks ?? []),
  };
};
