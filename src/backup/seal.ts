import { createHash } from 'node:crypto';
import { LifeboatError } from '../errors.ts';
import type { Budget, Conclusion, Source } from '../sources/contract.ts';
import { latest } from './catalog.ts';
import { openSum } from './digest.ts';
import { renderGuide } from './guide.ts';
import { manifestKey, restoreGuideKey } from './layout.ts';
import { checkLease } from './lease.ts';
import { decodeManifest, encodeManifest } from './manifest.ts';
import { readAll } from './objects.ts';
import { backupRun } from './rooms.ts';
import { countRows } from './rows.ts';
import { type Run, readRun } from './run-record.ts';
import type { Runtime } from './runtime.ts';
import { runSequence, type SequenceOutcome } from './sequence.ts';
import { shrinkageOf, shrinkWords } from './shrink.ts';
import type { BackupId, ClassDigest, Manifest, Segment } from './types.ts';

export interface SealInput {
  readonly source: string;
  readonly kind: string;
  readonly backup: BackupId;
  readonly resume: string | null;
}

export interface Sealed extends SequenceOutcome {
  /** Null while sealing goes on. */
  readonly summary: BackupSummary | null;
}

export interface BackupSummary {
  readonly backup: BackupId;
  readonly segments: number;
  readonly bytes: number;
  readonly rawBytes: number;
  /** A decimal string. */
  readonly rows: string;
  readonly classes: number;
  readonly consistency: string;
  readonly seconds: number;
}

/** Runs the source's seal stage, then writes RESTORE.md and, last of all, the manifest. */
export const sealBackup = async (runtime: Runtime, source: Source, input: SealInput, budget: Budget): Promise<Sealed> => {
  const sealed = await findManifest(runtime, input);
  if (sealed !== undefined) return { resume: null, wait: 0, summary: summarize(sealed) };
  const record = await readRun(runtime, input.source, input.backup);
  const run = await backupRun(runtime, input.source, input.backup);
  const outcome = await runSequence(source.seal, run, budget, input.resume);
  if (outcome.resume !== null) return { ...outcome, summary: null };
  const context = run.context(budget);
  const content = await gather(
    (async function* () {
      yield* context.receipts(source.dump.name);
      yield* context.receipts(source.seal.name);
    })(),
  );
  const conclusion = await source.conclude(context);
  const manifest = await manifestOf(runtime, input, record, conclusion, content);
  await checkLease(runtime.control, input.source, record.lease, runtime.now());
  await runtime.store.create(
    restoreGuideKey(input.source, input.backup),
    Buffer.from(renderGuide(manifest, conclusion.guide, runtime.store.url)),
  );
  await writeManifest(runtime, manifest);
  return { resume: null, wait: 0, summary: summarize(manifest) };
};

interface Content {
  readonly segments: readonly Segment[];
  readonly digests: readonly ClassDigest[];
}

const gather = async (receipts: AsyncIterable<{ segments: readonly Segment[]; digests: readonly ClassDigest[] }>): Promise<Content> => {
  const segments: Segment[] = [];
  const digests = openSum();
  for await (const receipt of receipts) {
    segments.push(...receipt.segments);
    for (const digest of receipt.digests) digests.add(digest);
  }
  segments.sort((a, b) => (a.ordinal < b.ordinal ? -1 : a.ordinal > b.ordinal ? 1 : 0));
  return { segments, digests: digests.end() };
};

const manifestOf = async (
  runtime: Runtime,
  input: SealInput,
  record: Run,
  conclusion: Conclusion,
  { segments, digests }: Content,
): Promise<Manifest> => {
  const previous = await latest(runtime.store, input.source);
  if (previous !== undefined) {
    const now = { rows: countRows(digests), bytes: segments.reduce((sum, segment) => sum + segment.bytes, 0) };
    const message = shrinkWords(shrinkageOf(previous, now), previous.backup);
    if (message !== undefined) runtime.report({ type: 'warning', message });
  }
  const sealedAt = runtime.now();
  return {
    formatVersion: 1,
    tool: runtime.tool,
    backup: input.backup,
    execution: record.execution,
    source: {
      name: input.source,
      kind: input.kind,
      product: record.facts.product,
      version: record.facts.version,
      place: record.facts.place,
      content: record.facts.content,
    },
    pointInTime: conclusion.pointInTime,
    startedAt: record.startedAt,
    sealedAt: sealedAt.toISOString(),
    artifact: conclusion.artifact,
    segments,
    digests,
    assertions: conclusion.assertions,
    details: conclusion.details,
    notIncluded: conclusion.notIncluded,
    ...(conclusion.horizon === undefined ? {} : { horizon: conclusion.horizon }),
    timings: { total: Math.max(0, sealedAt.getTime() - new Date(record.startedAt).getTime()) / 1000 },
    previous: previous?.manifestSha256 ?? null,
  };
};

const writeManifest = async (runtime: Runtime, manifest: Manifest): Promise<void> => {
  const key = manifestKey(manifest.source.name, manifest.backup);
  const bytes = encodeManifest(manifest);
  const { created } = await runtime.store.create(key, bytes);
  const stored = await readAll(runtime.store, key);
  if (stored === undefined) throw new LifeboatError('StoreConflict', `manifest ${key} was written and is not there`);
  if (!created && decodeManifest(stored).execution === manifest.execution) return;
  if (sha256(stored) !== sha256(bytes)) throw new LifeboatError('StoreConflict', `another manifest lies at ${key}`);
};

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const findManifest = async (
  runtime: Runtime,
  input: { readonly source: string; readonly backup: BackupId },
): Promise<Manifest | undefined> => {
  const stored = await readAll(runtime.store, manifestKey(input.source, input.backup));
  return stored === undefined ? undefined : decodeManifest(stored);
};

export const summarize = (manifest: Manifest): BackupSummary => ({
  backup: manifest.backup,
  segments: manifest.segments.length,
  bytes: manifest.segments.reduce((sum, segment) => sum + segment.bytes, 0),
  rawBytes: manifest.segments.reduce((sum, segment) => sum + segment.rawBytes, 0),
  rows: countRows(manifest.digests),
  classes: manifest.digests.length,
  consistency: manifest.pointInTime.consistency,
  seconds: manifest.timings['total'] ?? 0,
});
