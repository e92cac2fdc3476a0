/**
 * The words of Lifeboat. They mean the same in code, CLI, state machines, metrics and docs.
 *
 * - source         a system that is backed up
 * - store          where backups live: `s3://bucket/prefix` or `file:///path`; `control` is its mutable sibling
 * - point in time  the instant that a backup shows
 * - stage          parallel work: a plan of tasks, each run by one function invocation (dump, load, audit)
 * - task           one line of a stage's plan; what one invocation is asked to do
 * - chunk          the piece of a source that becomes one segment
 * - segment        a compressed, checksummed, write-once object
 * - artifact       all segments of a backup, concatenated in order: a file in the vendor's own format
 * - manifest       written last; a backup exists once its manifest does
 * - receipt        what one invocation of a task did; write-once, so the first attempt decides
 * - digest         order-independent hash of one object class, equal whatever engine holds it
 * - target         where a restore goes; scratch is a target that a drill makes and removes
 * - proof          what a drill found: PASSED, FAILED or NOT_MEASURED
 */

/** Sorts by time: `20261121T013000Z-4f2a`. Derived from the execution, so a doubled schedule makes one backup. */
export type BackupId = string & { readonly __brand: 'BackupId' };

/** Place of a segment in the artifact: `NNNNNN.NNNN`, so that byte order, listing order and artifact order are one. */
export type Ordinal = string & { readonly __brand: 'Ordinal' };

/** zstd frames and gzip members concatenate; flushed raw deflate concatenates inside one gzip member. */
export type Encoding = 'zstd' | 'gzip' | 'deflate-raw-flushed' | 'identity';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface Segment {
  /** `segments/<ordinal>-<start of sha256>.<ext>`, below the backup: two attempts never write different bytes to one key. */
  readonly key: string;
  /** Set where the store has versions; readers ask for this one. */
  readonly versionId?: string | undefined;
  readonly ordinal: Ordinal;
  /** An inventory lists objects that were copied as they are; it is not part of the artifact. */
  readonly role: 'artifact' | 'inventory';
  readonly encoding: Encoding;
  /** Size in the store, in bytes. */
  readonly bytes: number;
  /** Size before encoding, in bytes. */
  readonly rawBytes: number;
  /** Of the stored bytes, hex. Computed before the write, checked after every read. */
  readonly sha256: string;
  /** Of the raw bytes, where a trailer needs it. */
  readonly rawCrc32?: number | undefined;
  /** What a worker must know to load this segment alone: open directories, table and columns, index. */
  readonly context?: Json | undefined;
}

/** Content of one object class, or of a part of it: a table, an index, the entries of a volume, the branches of a repository. */
export interface ClassDigest {
  readonly name: string;
  /** A decimal string: counts pass through JSON. */
  readonly rows: string;
  /** `xxh64x2-sum128/1`, 32 hex digits; see digest.ts. */
  readonly digest: string;
  /** Hash of the class name and its columns, so that an empty class with other columns differs, too. */
  readonly shape: string;
  /** The sums by key hash that are not zero, packed; they say where two systems differ. */
  readonly buckets: string;
}

/** What one task did, in parts. Receipts are the only thing that a stage's end is computed from. */
export interface Receipt {
  readonly task: number;
  /** Counts the invocations that the task took. */
  readonly part: number;
  readonly segments: readonly Segment[];
  readonly digests: readonly ClassDigest[];
  readonly facts?: Json | undefined;
  /** Where the next invocation goes on; absent when the task is done. */
  readonly next?: { readonly cursor: string; readonly afterSeconds?: number | undefined } | undefined;
}

export interface PointInTime {
  readonly consistency: 'snapshot' | 'quiesced' | 'fuzzy';
  /** ISO 8601, the source's own clock where it has one. */
  readonly at: string;
  /** What another process needs to read at the same instant: snapshot id, GTID, commit, task uid. */
  readonly token: Json;
}

/** Something that the product itself says of its content, equal after a restore: `openmetadata.version` is `1.13.4`. */
export interface Assertion {
  readonly name: string;
  readonly value: string;
}

export interface Manifest {
  readonly formatVersion: 1;
  readonly tool: string;
  readonly backup: BackupId;
  /** ARN of the execution that made it. */
  readonly execution: string;
  readonly source: {
    readonly name: string;
    readonly kind: string;
    readonly product: string;
    readonly version: string;
    readonly place: string;
    readonly content: string;
  };
  readonly pointInTime: PointInTime;
  readonly startedAt: string;
  readonly sealedAt: string;
  readonly artifact: { readonly format: string; readonly restoreWith: string };
  readonly segments: readonly Segment[];
  readonly digests: readonly ClassDigest[];
  readonly assertions: readonly Assertion[];
  /** What a target of this kind needs beyond the segments; opaque to the core. At most 1 MiB. */
  readonly details: Json;
  /** What the source had and this backup does not, by kind and count. Empty is a claim, too. */
  readonly notIncluded: Readonly<Record<string, string>>;
  /** What the backup points at and does not hold may be removed from then on, ISO 8601; absent where it points at nothing. */
  readonly horizon?: { readonly at: string; readonly why: string } | undefined;
  /** Seconds by phase. */
  readonly timings: Readonly<Record<string, number>>;
  /** sha256 of the source's previous manifest, so that a removed or replayed one shows. */
  readonly previous: string | null;
}

/** One line of an audit: what was expected of the restored system and what it answered. */
export interface Check {
  readonly name: string;
  readonly expected: string;
  readonly actual: string;
  readonly ok: boolean;
  /** The object class that this check is about, when there is one; the negative control is judged by it. */
  readonly class?: string | undefined;
}

export type Verdict = 'PASSED' | 'FAILED' | 'NOT_MEASURED';

/** What a drill found. Written once, beside the report that a person reads. */
export interface Proof {
  readonly formatVersion: 1;
  /** `20261121T030000Z-91bc`, made like a backup id from the drill's execution. */
  readonly drill: string;
  readonly source: string;
  readonly kind: string;
  readonly backup: BackupId;
  readonly execution: string;
  readonly verdict: Verdict;
  readonly startedAt: string;
  readonly endedAt: string;
  /** Where it was restored to; never a secret. */
  readonly scratch: string;
  /** Seconds from the start of the restore until the scratch system could be used, without the audit. */
  readonly rtoSeconds: number | null;
  /** Age of the backup's point in time when the drill started, in seconds: what would have been lost. */
  readonly rpoSeconds: number;
  readonly goals: { readonly rtoSeconds?: number | undefined; readonly rpoSeconds?: number | undefined };
  readonly phases: readonly { readonly name: string; readonly seconds: number }[];
  readonly checks: readonly Check[];
  /** What was damaged on purpose, which classes the audit had to fail on, and which it did fail on. */
  readonly control: {
    readonly what: readonly string[];
    readonly expected: readonly string[];
    readonly failed: readonly string[];
    readonly ok: boolean;
  } | null;
  readonly notMeasured: readonly { readonly what: string; readonly why: string }[];
  readonly failure: { readonly code: string; readonly message: string; readonly hint: string } | null;
  /** Of the random choices of this drill. */
  readonly seed: number;
  /** Why this backup was chosen; the first proofs did not say. */
  readonly why?: string | undefined;
}
