/** A backup in memory, for tests of kinds that have no need of a store. */
import { createHash } from 'node:crypto';
import { compareDigests, sumDigests } from '../../src/backup/digest.ts';
import type { BackupId, Check, ClassDigest, Manifest, Receipt, Segment } from '../../src/backup/types.ts';
import type { Budget, Conclusion, Facts, SegmentSink, SegmentSource } from '../../src/sources/contract.ts';
import { idAt } from '../backup/examples.ts';

export const BACKUP: BackupId = idAt('2026-11-21T01:30:00Z');

export const forever: Budget = { remaining: () => 600_000, signal: new AbortController().signal };

/** Keeps what is written, decoded, by ordinal. */
export interface Collected extends SegmentSink {
  readonly texts: ReadonlyMap<string, Buffer>;
}

/** Blocks go back to whoever filled them, as they do when they are compressed. */
export const collector = (onBlock: (bytes: number) => Promise<void> | void = () => {}): Collected => {
  const texts = new Map<string, Buffer>();
  return {
    texts,
    async write(at, raw, as) {
      const parts: Buffer[] = [];
      for await (const block of raw) {
        await onBlock(block.length);
        parts.push(Buffer.from(block));
        as.recycle?.(block);
      }
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

/** Segments as the sink kept them, in blocks of a size that cuts lines. */
export const readFrom = (sink: Pick<Collected, 'texts'>): SegmentSource => ({
  async *read(segment: Segment) {
    const bytes = sink.texts.get(segment.ordinal);
    if (bytes === undefined) throw new Error(`no segment ${segment.ordinal}`);
    for (let at = 0; at < bytes.length; at += 65_521) yield bytes.subarray(at, at + 65_521);
  },
});

/** All segments one after the other, decoded. */
export const scriptOf = (segments: readonly Segment[], { texts }: Pick<Collected, 'texts'>): Buffer =>
  Buffer.concat(segments.map((segment) => texts.get(segment.ordinal) ?? Buffer.alloc(0)));

export const inOrder = (segments: readonly Segment[]): Segment[] => [...segments].sort((a, b) => (a.ordinal < b.ordinal ? -1 : 1));

/** What a sealed backup would say of itself. */
export const manifestOf = (
  kind: string,
  facts: Facts,
  { pointInTime, artifact, assertions, details, notIncluded }: Conclusion,
  { segments, digests }: Pick<Manifest, 'segments' | 'digests'>,
): Manifest => ({
  formatVersion: 1,
  tool: 'lifeboat test',
  backup: BACKUP,
  execution: 'arn:test',
  source: { name: 'test', kind, product: facts.product, version: facts.version, place: facts.place, content: facts.content },
  pointInTime,
  startedAt: pointInTime.at,
  sealedAt: pointInTime.at,
  artifact,
  segments,
  digests,
  assertions,
  details,
  notIncluded,
  timings: {},
  previous: null,
});

export interface Audited {
  readonly digests: readonly ClassDigest[];
  readonly checks: readonly Check[];
  /** Names of classes that differ, sorted. */
  readonly failed: readonly string[];
}

export const auditedOf = (manifest: Manifest, receipts: readonly Receipt[]): Audited => {
  const digests = sumDigests(receipts.flatMap((receipt) => receipt.digests));
  const checks = receipts.flatMap((receipt) =>
    receipt.facts === undefined ? [] : (receipt.facts as unknown as { checks: Check[] }).checks,
  );
  const failed = compareDigests(manifest.digests, digests).filter((check) => !check.ok);
  return { digests, checks, failed: [...new Set(failed.map((check) => check.class ?? check.name))].sort() };
};
