import type { Readable, Writable } from 'node:stream';
import type { Report } from '../backup/progress.ts';
import type { BackupId, Check, PointInTime, Proof } from '../backup/types.ts';
import type { Environment } from '../environment/environment.ts';
import type { Secrets } from '../environment/secrets.ts';
import type { Facts } from '../sources/contract.ts';
import type { System } from '../sources/system.ts';

/** What runs the commands that do work. Sources and targets are named as in its environment; a URL has a name there, too. */
export interface Engine {
  backup(input: { readonly source: string }, run: Run): Promise<BackupResult>;
  restore(input: RestoreInput, run: Run): Promise<RestoreResult>;
  drill(input: DrillInput, run: Run): Promise<DrillResult>;
  /** Writes one native artifact; needs no store. Does not end `out`. */
  dump(source: System, out: Writable, run: Run): Promise<DumpResult>;
  /** Reads one native artifact; needs no store. */
  load(target: System, input: Readable, options: { readonly overwrite: boolean }, run: Run): Promise<LoadResult>;
  /** What would be dumped, and in how many tasks. Opens the instant and closes it again; writes nothing. */
  plan(input: { readonly source: string }, run: Run): Promise<PlanResult>;
  inspect(input: { readonly source: string }, run: Run): Promise<Facts>;
  /** Says what retention removes; removes it when `apply`. */
  prune(input: { readonly source: string; readonly apply: boolean }, run: Run): Promise<PruneResult>;
  /** Removes the system that a backup was made of, and answers what for people. Absent where the source is out of this engine's reach. */
  removeSource?(input: { readonly source: string; readonly backup: BackupId }, run: Run): Promise<string>;
  /** Looks at where the environment is deployed. Absent where everything runs on this machine. */
  examine?(run: Run): Promise<readonly Finding[]>;
  /** Newest first. */
  executions(input: { readonly limit: number }): Promise<readonly ExecutionInfo[]>;
  /** Of one execution, or of the newest; oldest line first. */
  logs(input: { readonly execution: string | undefined }): AsyncIterable<LogLine>;
  /** Ends whatever was started: children, embedded servers. Always called. */
  close(): Promise<void>;
}

export interface EngineInput {
  /** Absent: only `dump` and `load` are called. */
  readonly environment: Environment | undefined;
  readonly secrets: Secrets;
  /** Run the machines where the environment was deployed. Absent: on this machine. */
  readonly deployed?: {
    /** What becomes of an execution when whoever waits for it is interrupted. */
    readonly onInterrupt: 'leave' | 'stop';
  };
}

export type MakeEngine = (input: EngineInput) => Promise<Engine>;

export interface Run {
  readonly report: Report;
  readonly signal: AbortSignal;
}

export interface BackupResult {
  readonly source: string;
  readonly backup: BackupId;
  /** The backup was there, or is being made by another execution: nothing was done. */
  readonly already: boolean;
  readonly execution: string;
}

export interface RestoreInput {
  readonly source: string;
  readonly backup: BackupId;
  /** Name of a target; absent: the one that the environment gives the source, else TargetMissing. */
  readonly target: string | undefined;
  readonly overwrite: boolean;
  /** Only the last part: compares what is there with the backup. */
  readonly only: 'audit' | undefined;
}

export interface RestoreResult {
  readonly source: string;
  readonly backup: BackupId;
  /** Redacted. */
  readonly target: string;
  readonly execution: string;
  readonly seconds: number;
  readonly checks: readonly Check[];
}

export interface DrillInput {
  readonly source: string;
  readonly backup: BackupId | undefined;
  readonly selection: string | undefined;
  readonly seed: number | undefined;
  /** Name of a target; absent: the one that the environment gives the source. */
  readonly scratch: string | undefined;
}

export interface DrillResult {
  readonly proof: Proof;
  /** Keys of the proof's record in the store. */
  readonly keys: { readonly json: string; readonly html: string };
}

export interface DumpResult {
  readonly format: string;
  readonly pointInTime: PointInTime;
  readonly rows: string;
  /** As written, and before compression. */
  readonly bytes: number;
  readonly rawBytes: number;
  readonly segments: number;
  readonly notIncluded: Readonly<Record<string, string>>;
  /** What the artifact is worth nothing without, and stays where it is. */
  readonly needs: string | null;
}

export interface LoadResult {
  readonly rows: string;
  readonly bytes: number;
  readonly checks: readonly Check[];
}

export interface PlanResult {
  readonly source: string;
  readonly facts: Facts;
  readonly stage: string;
  readonly mode: 'independent' | 'together';
  /** Null where planning would have to make what it plans for: a snapshot, a clone. */
  readonly tasks: number | null;
  /** What it takes and costs where the environment is deployed. */
  readonly deployed?: DeployedPlan;
}

export interface DeployedPlan {
  /** What the numbers were made of. */
  readonly basis: string;
  /** Of one backup, without what it leaves in the store. */
  readonly backup: Bill;
  /** Of an average month with the schedules and the retention of the environment, in the steady state. */
  readonly month: Bill;
  readonly limits: readonly Limit[];
  readonly notCounted: readonly { readonly what: string; readonly why: string }[];
}

export interface Bill {
  readonly lines: readonly BillLine[];
  readonly usd: number;
}

/** A quantity at its price, and where and when that was read. */
export interface BillLine {
  readonly what: string;
  readonly quantity: number;
  readonly unit: string;
  readonly usd: number;
  readonly source: string;
  readonly asOf: string;
}

/** A limit of AWS, and how near this source comes to it. */
export interface Limit {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly unit: string;
  readonly fits: boolean;
  readonly hint: string;
}

/** What `doctor` found of one thing. `warning`: worth knowing and not wrong; `not-measured`: nothing is known of it, and why. */
export interface Finding {
  readonly what: string;
  readonly state: 'ok' | 'warning' | 'failed' | 'not-measured';
  readonly message: string;
  readonly hint: string;
}

export interface PruneResult {
  readonly source: string;
  readonly applied: boolean;
  readonly keep: readonly { readonly backup: BackupId; readonly why: readonly string[] }[];
  readonly remove: readonly { readonly backup: BackupId }[];
  /** Why nothing is removed, whatever the policy says. */
  readonly frozen?: string;
}

export interface ExecutionInfo {
  readonly execution: string;
  readonly machine: string;
  readonly status: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly error: string | null;
}

export interface LogLine {
  readonly at: string;
  readonly text: string;
}
