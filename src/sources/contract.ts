import type { z } from 'zod';
import type {
  Assertion,
  BackupId,
  Check,
  ClassDigest,
  Encoding,
  Json,
  Manifest,
  Ordinal,
  PointInTime,
  Receipt,
  Segment,
} from '../backup/types.ts';
import type { ArtifactFormat } from './artifact-format.ts';
import type { Members } from './members.ts';
import type { Holding, PoolProof, VerifyPoolOptions } from './pool.ts';

export type { PoolProof };

/**
 * What a kind of source implements: one folder under src/sources/, one line in registry.ts, and the shared suite in
 * test/sources/suite.ts passes. A source knows its product; it knows nothing of state machines, Lambda or the store's kind.
 *
 * `Address` says where a system of this kind lives and how to log in (a secret by reference). It is plain JSON.
 */
export interface SourceKind<Address> {
  readonly kind: string;
  /** Fields of the kind in an environment file, beside those that all sources share. */
  readonly address: z.ZodType<Address>;
  /** The URL schemes that name this kind on the command line, without `://`: `postgres`, `juicefs+redis`. */
  readonly schemes: readonly string[];
  /** A password in the URL stays in the address only in memory; whatever is printed goes through `redact`. */
  fromUrl(url: URL): Address;
  /** For people and records; never a secret. */
  redact(address: Address): string;
  /**
   * The code behind the name is loaded when it is asked for: every process knows all kinds by name and address, and works with one.
   */
  source(address: Address, services: Services): Promise<Source>;
  target(address: Address, services: Services): Promise<Target>;
  /** The address of a throw-away target called `name` beside `address`. Pure: nothing is made, `prepare` does that. */
  scratch(address: Address, name: string): Address;
  /** The address of a system that somebody else restored, by its ARN. Pure. Fails with Usage. Absent where nobody else does. */
  restored?(address: Address, resource: string): Address;
  /** Where drills restore to when nothing is configured: on this machine, without a server. Absent where there is no such place. */
  readonly ownScratch?: Address;
  /** How a file of this kind's artifact is known, for `verify <file>`; absent where the vendor's own tool must say. */
  readonly artifact?: ArtifactFormat;
  /** Proves what a backup names in the pool or elsewhere, without the product: `verify` asks after it has read the segments. */
  verifyPool?(manifest: Manifest, pool: Objects, options: VerifyPoolOptions): Promise<PoolProof>;
  /**
   * Shows one place of a backup, and reads no more segments than hold it: `inspect --path`. Absent where a backup has no paths.
   * Fails with NoSuchObject.
   */
  browse?(manifest: Manifest, read: SegmentSource, request: BrowseRequest): Promise<Browsed>;
  /** Of kinds whose servers hold many systems that come and go: repositories. */
  readonly members?: Members<Address>;
  /** What a backup is in the product's own words, and what of it lies in the pool. Absent where rows and segments say it all. */
  holds?(manifest: Manifest): Holding | undefined;
}

export interface BrowseRequest {
  readonly path: string;
  /** Names after this one, and how many of them. */
  readonly after: string | undefined;
  readonly limit: number;
  /** Also adds up all that is below, however much must be read for it. */
  readonly sum: boolean;
  readonly signal: AbortSignal;
}

export interface Browsed {
  /** For `--json`. */
  readonly contents: { readonly [name: string]: Json };
  /** For people: what is there, then what is in it. */
  readonly facts: readonly (readonly [label: string, value: string])[];
  readonly table?:
    | { readonly header: readonly string[]; readonly right: readonly number[]; readonly rows: readonly (readonly string[])[] }
    | undefined;
  readonly notes: readonly string[];
}

/** What a source may use of the world. */
export interface Services {
  /**
   * Resolves `env:NAME`, `file:/path`, `secretsmanager:<arn>`, and one field of a secret that is JSON, `secretsmanager:<arn>#password`.
   * `fresh`: what was resolved before is no longer good. Fails with SecretMissing.
   */
  secret(reference: string, options?: { readonly fresh?: boolean }): Promise<string>;
  now(): Date;
  /** A folder of this process alone, for what does not fit in memory. */
  readonly temporary: string;
  /** Objects of a product's own: `s3://bucket/prefix` or `file:///path`. Absent where a source has no business with any. */
  openObjects?(url: string, options: ObjectsOptions): Promise<Objects>;
}

/** How an S3-compatible server is met; all are absent on AWS. */
export interface ObjectsOptions {
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly forcePathStyle?: boolean | undefined;
}

/**
 * Objects below a prefix of a bucket, or in a folder: the pool of a source, the storage of a product. Write-once, with keys and
 * errors as stores have them.
 */
export interface Objects {
  readonly url: string;
  head(key: string): Promise<ObjectFacts | undefined>;
  read(key: string, options?: { readonly range?: { readonly start: number; readonly end: number } }): AsyncIterable<Uint8Array>;
  /** In byte order; `after` excludes keys up to and including it. */
  list(prefix: string, options?: { readonly after?: string }): AsyncIterable<ObjectFacts>;
  /** False when there was one; it stays as it is. */
  create(key: string, body: Uint8Array): Promise<boolean>;
  /**
   * Copies an object as it is, by the server itself where both lie on one server, else as a stream. False when there was one.
   * Fails with NoSuchObject when there is nothing to copy, SourceChanged when it does not have `bytes` bytes.
   */
  copyFrom(
    key: string,
    from: { readonly objects: Objects; readonly key: string; readonly bytes: number },
    signal: AbortSignal,
  ): Promise<boolean>;
  delete(key: string): Promise<void>;
}

export interface ObjectFacts {
  readonly key: string;
  readonly bytes: number;
  readonly modified: Date;
  readonly etag: string;
}

export interface Source {
  /** Version, place, content, size, and every problem that would stop a backup, by name. Changes nothing. */
  inspect(): Promise<Facts>;
  /**
   * Called before `open`, for what takes longer than a function should wait (a snapshot is restored to a clone): goes one step on, and
   * answers when to ask again, until it answers undefined. What it made and will be of no use, it removes before it fails.
   */
  ready?(backup: BackupId): Promise<Later | undefined>;
  /** Fixes the instant, or starts to, for kinds without `hold`. From here on, `close` is always called. */
  open?(backup: BackupId): Promise<PointInTime>;
  /**
   * For an instant that lives in a connection: joins one of `instants()`, or opens the first when there is none, publishes
   * each token that others may join from now on; returns when the signal says released or the budget is spent.
   * Two holders overlap, so a token outlives either. Fails with InstantLost when none of the instants lives.
   */
  hold?(held: Held, budget: Budget): Promise<void>;
  readonly dump: Stage;
  /** What needs all receipts: headers with sizes, trailers, inventories. Never reads the source. */
  readonly seal: Stage;
  /** Segments of `seal` lie before or between those of the dump: the artifact can be written only once it is sealed. */
  readonly framed?: true;
  /** Computed from the receipts of dump and seal alone, once both are done. */
  conclude(context: StageContext): Promise<Conclusion>;
  close(at: PointInTime): Promise<void>;
  /** In place of `close` where the backup ended before `open`: removes what `ready` made. Succeeds when there is nothing to remove. */
  abandon?(backup: BackupId): Promise<void>;
  /**
   * Removes what a backup keeps outside of the store (a snapshot): its manifest is gone, or was never written and `manifest` is
   * undefined. Succeeds when there is nothing left to remove.
   */
  forget?(backup: BackupId, manifest: Manifest | undefined): Promise<void>;
  /**
   * Removes throw-away systems whose time is over, and those of a backup that `hasEnded`, whoever made them and died; answers their
   * names.
   */
  tidy?(hasEnded: (backup: string) => Promise<boolean>): Promise<readonly string[]>;
  /** Removes what was backed up, after `verify`; says what. Fails with SourceChanged, removing nothing, where it holds more than the backup. */
  remove?(manifest: Manifest, read: SegmentSource, signal: AbortSignal): Promise<string>;
}

/** Not there yet: ask again after so many seconds. `what` is for people. */
export interface Later {
  readonly afterSeconds: number;
  readonly what?: string;
}

export interface Held {
  /** Newest first. */
  instants(): Promise<readonly PointInTime[]>;
  publish(at: PointInTime): Promise<void>;
}

/** What a backup turned out to be. */
export interface Conclusion {
  readonly pointInTime: PointInTime;
  readonly artifact: Manifest['artifact'];
  readonly assertions: readonly Assertion[];
  readonly details: Json;
  readonly notIncluded: Readonly<Record<string, string>>;
  readonly horizon?: Manifest['horizon'];
  /** What the artifact is worth nothing without, and has to stay where it is: `RDS snapshot arn:…`. */
  readonly needs?: string;
  /** Markdown of RESTORE.md above the list of segments: what to do without Lifeboat, the commands last. */
  readonly guide: string;
}

export interface Target {
  inspect(): Promise<TargetFacts>;
  /** prepare, load and what finishes, in order; each starts after the one before: keys, foreign keys, triggers, counters. */
  readonly stages: readonly Stage[];
  /**
   * Loads one artifact from a stream of decoded bytes: all of it, or nothing. Fails with ArtifactInvalid when it is cut short,
   * TargetNotEmpty unless `overwrite`.
   */
  loadArtifact(artifact: AsyncIterable<Uint8Array>, options: LoadOptions): Promise<Loaded>;
  /** Plans its own ranges on what is really there. Its receipts hold digests and, under `facts.checks`, the product's own checks. */
  readonly audit: Stage;
  /** Scratch only. Changes things; an audit that does not then fail on exactly `classes` is worthless. */
  tamper(manifest: Manifest, seed: number, budget: Budget): Promise<Tampering>;
  /** Scratch only; succeeds when there is nothing left to remove. */
  readonly discard: Stage;
  /** Tells whoever restored this system in a job of theirs how it was found. */
  handOver?(job: string, found: { readonly ok: boolean; readonly message: string }): Promise<void>;
}

export interface LoadOptions {
  readonly overwrite: boolean;
  readonly signal: AbortSignal;
  progress(done: { readonly rows: number; readonly bytes: number; readonly what?: string }): void;
}

export interface Loaded {
  /** A decimal string. */
  readonly rows: string;
  readonly checks: readonly Check[];
}

export interface Tampering {
  /** For the report: `changed "json" of one row of public.table_entity`. */
  readonly what: readonly string[];
  readonly classes: readonly string[];
}

/**
 * The one mechanism for whatever can outlive an invocation. A plan is streamed, never held; a task that runs out of time is
 * continued, not killed.
 */
export interface Stage {
  /** Lower case with dashes; names the folder of its plan and receipts: `dump`, `load`, `finish-indexes`. */
  readonly name: string;
  /** `together`: all tasks must live at the same time; none is retried or continued (connections that share one instant). */
  readonly mode: 'independent' | 'together';
  /** Tasks in order. After one with `resume` planning may stop, and go on from there in another invocation. */
  plan(context: StageContext, resume?: Cursor): AsyncIterable<Planned>;
  run(task: Json, context: TaskContext, resume?: Cursor): Promise<Part>;
}

export interface Planned {
  readonly task: Json;
  readonly resume?: Cursor;
}

/** What one invocation of a task did. Stored as part of its receipt before the cursor is handed back, so nothing is done twice. */
export interface Part {
  readonly segments: readonly Segment[];
  readonly digests: readonly ClassDigest[];
  /** Small results for later stages: sums, maxima, counts. At most 64 KiB. */
  readonly facts?: Json;
  /** `afterSeconds`: nothing to do until then (a snapshot that is being created). */
  readonly next?: { readonly cursor: Cursor; readonly afterSeconds?: number };
}

/** `facts` of an audit's receipts. */
export interface AuditFacts {
  readonly checks: readonly Check[];
  /** What this audit could not look at; an audit with any has not passed. */
  readonly notMeasured?: readonly { readonly what: string; readonly why: string }[];
}

export type StageInput =
  | { readonly kind: 'backup'; readonly backup: BackupId; readonly facts: Facts }
  | {
      readonly kind: 'restore';
      /** Names the marker in the target: a second run of the same restore goes on, another one is refused. */
      readonly restore: string;
      readonly manifest: Manifest;
      readonly scratch: boolean;
      readonly overwrite: boolean;
    };

export interface StageContext {
  readonly input: StageInput;
  readonly budget: Budget;
  readonly read: SegmentSource;
  /** Receipts of a stage of this backup or restore that has ended, in order of task and part. */
  receipts(stage: string): AsyncIterable<Receipt>;
  /** Tokens of the instant, newest first; never taken from a plan or a payload. Empty in a restore. */
  instants(): Promise<readonly PointInTime[]>;
  /** Tasks that may live at the same time: a `together` stage plans no more of them. One when absent. */
  readonly concurrency?: number;
}

/** How the tasks of a `together` stage share work: the first who asks for a name has it. */
export interface Claims {
  /** True for one task, however often it asks. */
  take(name: string): Promise<boolean>;
  isTaken(name: string): Promise<boolean>;
}

export interface TaskContext extends StageContext {
  /** Index of the task in its plan. */
  readonly task: number;
  readonly write: SegmentSink;
  /** Of the stage, during a dump. */
  readonly claims?: Claims;
  /** `<source>/objects/` of the store: content copied as it is, shared by the backups of a source. Absent without a store. */
  readonly pool?: Objects;
  /** Progress for people, by the way: rows and raw bytes done since the last call. */
  progress(done: { readonly rows: number; readonly bytes: number; readonly what?: string }): void;
}

/** At most 4 KiB; must advance from one invocation to the next. */
export type Cursor = string & { readonly __brand: 'Cursor' };

export interface Budget {
  /** Milliseconds left before the work must be handed back. */
  remaining(): number;
  readonly signal: AbortSignal;
}

export interface SegmentSink {
  /** Encodes, hashes and stores one segment; resolves once the store has it for good. */
  write(ordinal: Ordinal, raw: AsyncIterable<Uint8Array>, as: SegmentForm): Promise<Segment>;
}

export interface SegmentForm {
  readonly encoding: Encoding;
  /** Of the object's name: `sql.zst`. */
  readonly extension: string;
  readonly role?: Segment['role'];
  readonly context?: Json;
  /** Gets large chunks of `raw` back, as they were yielded, once nobody reads them any more: their buffers may be filled again. */
  readonly recycle?: (chunk: Uint8Array) => void;
}

export interface SegmentSource {
  /** Decoded bytes. Throws before the last of them if the stored bytes are not those that were written. */
  read(segment: Segment): AsyncIterable<Uint8Array>;
}

export interface Facts {
  readonly product: string;
  readonly version: string;
  /** The place: server, database, prefix. A restore over the same place is refused unless it is empty. */
  readonly place: string;
  /** What lives there, wherever it is restored to: volume UUID, repository, catalogue. */
  readonly content: string;
  readonly bytes: number;
  readonly problems: readonly Problem[];
}

export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export interface TargetFacts extends Facts {
  readonly empty: boolean;
  /** Set when a restore began here and did not end: its id. */
  readonly unfinished?: string;
}
