import { createHash } from 'node:crypto';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { memoryClaims } from '../backup/claims.ts';
import { encode } from '../backup/codec.ts';
import { sumDigests } from '../backup/digest.ts';
import { failureOf } from '../backup/failures.ts';
import { segmentKey } from '../backup/layout.ts';
import type { Report } from '../backup/progress.ts';
import { refuseProblems } from '../backup/start.ts';
import type { BackupId, ClassDigest, PointInTime, Receipt } from '../backup/types.ts';
import { LifeboatError } from '../errors.ts';
import type { Budget, Conclusion, Cursor, SegmentSink, Source, Stage, StageContext, TaskContext } from '../sources/contract.ts';
import { heldBack, inOrder, type Pieces } from './pieces.ts';

/** A dump without a store: the same stages, one task after the other in this process, straight into a stream. */
export interface DirectDump {
  readonly conclusion: Conclusion;
  readonly digests: readonly ClassDigest[];
  readonly segments: number;
  readonly bytes: number;
  readonly rawBytes: number;
}

/** No function ends here; a stage that asks is told a day, in milliseconds, and the signal alone ends it. */
const ENDLESS_MS = 24 * 60 * 60 * 1000;
const endless = (signal: AbortSignal): Budget => ({ remaining: () => ENDLESS_MS, signal });

/** Runs `use` while the source's instant is open, and closes it whatever happens. */
export const withInstant = async <Result>(
  source: Source,
  backup: BackupId,
  signal: AbortSignal,
  use: (context: StageContext, receipts: Map<string, Receipt[]>) => Promise<Result>,
): Promise<Result> => {
  const facts = await source.inspect();
  refuseProblems(facts);
  const instants: PointInTime[] = [];
  const letGo = new AbortController();
  const opened = Promise.withResolvers<void>();
  const publish = async (at: PointInTime): Promise<void> => {
    instants.unshift(at);
    opened.resolve();
  };
  const holding =
    source.hold === undefined
      ? opening(source, facts.product, backup, signal).then(publish)
      : source.hold({ instants: async () => instants, publish }, endless(AbortSignal.any([signal, letGo.signal])));
  holding.catch(opened.reject);
  const receipts = new Map<string, Receipt[]>();
  try {
    await opened.promise;
    const context: StageContext = {
      input: { kind: 'backup', backup, facts },
      budget: endless(signal),
      read: { read: () => nothingToRead() },
      async *receipts(stage) {
        yield* receipts.get(stage) ?? [];
      },
      instants: async () => instants,
    };
    return await use(context, receipts);
  } finally {
    letGo.abort();
    await holding.catch(() => {});
    const [newest] = instants;
    if (source.hold === undefined) await (newest === undefined ? source.abandon?.(backup) : source.close(newest));
  }
};

const opening = async (source: Source, product: string, backup: BackupId, signal: AbortSignal): Promise<PointInTime> => {
  if (source.open === undefined) throw new LifeboatError('Unsupported', `${product} has no point in time`);
  for (;;) {
    const later = await source.ready?.(backup);
    if (later === undefined) return source.open(backup);
    await sleep(later.afterSeconds * 1000, undefined, { signal });
  }
};

async function* nothingToRead(): AsyncGenerator<Uint8Array> {
  yield* [];
  throw new LifeboatError('Unsupported', 'a dump into a stream reads no segments');
}

interface DumpOptions {
  readonly backup: BackupId;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/**
 * Writes the artifact to `out`, where zstd is only the store's doing, without it. Does not end `out`. No store will ever forget this
 * dump, so what the source keeps of it elsewhere goes at once, unless the artifact lives by it.
 */
export const dumpInto = async (source: Source, out: Writable, options: DumpOptions): Promise<DirectDump> => {
  // Nothing is made before a source was looked at.
  let made = false;
  const inspect: Source['inspect'] = async () => {
    const facts = await source.inspect();
    made = true;
    return facts;
  };
  try {
    const dumped = await writeInto({ ...source, inspect }, out, options);
    made = dumped.conclusion.needs === undefined;
    return dumped;
  } finally {
    if (made) await forget(source, options);
  }
};

/** What became of the dump matters more. */
const forget = async (source: Source, { backup, report }: DumpOptions): Promise<void> => {
  try {
    await source.forget?.(backup, undefined);
  } catch (error) {
    const { code, message, hint } = failureOf('', error);
    report({ type: 'warning', message: `what this dump made may still be there: ${code}: ${message}. ${hint}` });
  }
};

const writeInto = (source: Source, out: Writable, options: DumpOptions): Promise<DirectDump> =>
  withInstant(source, options.backup, options.signal, async (context, receipts) => {
    const pieces = source.framed === true ? heldBack(out) : inOrder(out);
    try {
      const sink = source.framed === true ? streamSink(pieces, options.signal) : inTurns(streamSink(pieces, options.signal));
      for (const stage of [source.dump, source.seal]) receipts.set(stage.name, await runAll(stage, context, sink, options.report));
      await pieces.end();
    } finally {
      await pieces.discard();
    }
    const all = [...receipts.values()].flat();
    const segments = all.flatMap((receipt) => receipt.segments);
    return {
      conclusion: await source.conclude(context),
      digests: sumDigests(all.flatMap((receipt) => receipt.digests)),
      segments: segments.length,
      bytes: segments.reduce((sum, segment) => sum + segment.bytes, 0),
      rawBytes: segments.reduce((sum, segment) => sum + segment.rawBytes, 0),
    };
  });

const runAll = async (stage: Stage, context: StageContext, write: SegmentSink, report: Report): Promise<Receipt[]> => {
  const claims = memoryClaims();
  const receipts: Receipt[] = [];
  let task = 0;
  for await (const planned of stage.plan(context)) {
    const progress: TaskContext['progress'] = (done) => report({ type: 'done', stage: stage.name, ...done });
    let resume: Cursor | undefined;
    for (let part = 0; part === 0 || resume !== undefined; part++) {
      const done = await stage.run(planned.task, { ...context, task, write, progress, claims: claims(task) }, resume);
      receipts.push({
        task,
        part,
        segments: done.segments,
        digests: done.digests,
        ...(done.facts === undefined ? {} : { facts: done.facts }),
      });
      resume = done.next?.cursor;
      if (done.next?.afterSeconds !== undefined) await sleep(done.next.afterSeconds * 1000, undefined, { signal: context.budget.signal });
    }
    task += 1;
  }
  return receipts;
};

/** A source may fill the next segment while the one before is written; each waits for its turn. */
const inTurns = ({ write }: SegmentSink): SegmentSink => {
  let before: Promise<unknown> = Promise.resolve();
  return {
    write(ordinal, raw, as) {
      const turn = before;
      const waiting = async function* (): AsyncGenerator<Uint8Array> {
        await turn;
        yield* raw;
      };
      const written = write(ordinal, waiting(), as);
      if (as.role !== 'inventory') before = written.catch(() => {});
      return written;
    },
  };
};

const streamSink = (pieces: Pieces, signal: AbortSignal): SegmentSink => ({
  async write(ordinal, raw, as) {
    const sha = createHash('sha256');
    let bytes = 0;
    let rawBytes = 0;
    let rawCrc32 = 0;
    const encoding = as.encoding === 'zstd' ? 'identity' : as.encoding;
    const flushed = encoding === 'deflate-raw-flushed';
    const see = (block: Uint8Array): void => {
      rawBytes += block.length;
      if (flushed) rawCrc32 = crc32(block, rawCrc32);
    };
    // What is given back is written while the next is made; anything else is good only until that is asked for.
    let writing: Promise<void> = Promise.resolve();
    try {
      for await (const chunk of encode(raw, encoding, see, as.recycle)) {
        signal.throwIfAborted();
        sha.update(chunk);
        bytes += chunk.length;
        await writing;
        const written = as.role === 'inventory' ? Promise.resolve() : pieces.append(ordinal, chunk);
        if (encoding !== 'identity' || as.recycle === undefined) {
          await written;
          continue;
        }
        writing = written.then(() => as.recycle?.(chunk));
        writing.catch(() => {});
      }
    } finally {
      await writing;
    }
    const sha256 = sha.digest('hex');
    const key = segmentKey(ordinal, sha256, as.extension);
    const context = as.context === undefined ? {} : { context: as.context };
    return { key, ordinal, role: as.role ?? 'artifact', encoding, bytes, rawBytes, sha256, ...context, ...(flushed ? { rawCrc32 } : {}) };
  },
});
