/**
 * Every error that a user can meet has a code here. `name` is the code, because that is what Lambda reports and what
 * Retry and Catch match. Messages are lower case without a full stop; hints are sentences.
 */

interface Kind {
  /** Exit code of the command line; docs/cli-json.md lists them. */
  readonly exit: 1 | 2 | 3 | 4 | 10 | 11 | 13 | 14 | 130;
  /** Another try of the same step may succeed; the state machines retry exactly these. */
  readonly retryable?: true;
}

const KINDS = {
  // usage and configuration
  Usage: { exit: 2 },
  ConfigInvalid: { exit: 2 },
  SecretMissing: { exit: 2 },
  UnknownEnvironment: { exit: 2 },
  UnknownSource: { exit: 2 },
  TargetMissing: { exit: 2 },
  Unsupported: { exit: 1 },
  // stores
  NoSuchStore: { exit: 10 },
  NoSuchBackup: { exit: 10 },
  NoSuchObject: { exit: 10 },
  StoreDenied: { exit: 1 },
  StoreFull: { exit: 1 },
  StoreUnavailable: { exit: 1, retryable: true },
  StoreKeyInvalid: { exit: 1 },
  StoreConflict: { exit: 1 },
  FormatTooNew: { exit: 1 },
  ManifestInvalid: { exit: 14 },
  SegmentMismatch: { exit: 14 },
  SegmentTooLarge: { exit: 1 },
  ArtifactInvalid: { exit: 14 },
  DigestMismatch: { exit: 14 },
  CountMismatch: { exit: 14 },
  // backups
  LeaseHeld: { exit: 11 },
  LeaseLost: { exit: 1 },
  InstantLost: { exit: 1 },
  BarrierTimeout: { exit: 1 },
  TooLargeForLanes: { exit: 1 },
  NoProgress: { exit: 1 },
  ReceiptTooLarge: { exit: 1 },
  RecordTooLarge: { exit: 1 },
  PlanTooLarge: { exit: 1 },
  TaskMissing: { exit: 1 },
  BackupFailed: { exit: 1 },
  BackupIncomplete: { exit: 1 },
  RetentionRefused: { exit: 2 },
  // sources and targets
  ConnectionRefused: { exit: 1 },
  ConnectionLost: { exit: 1, retryable: true },
  LoginFailed: { exit: 1 },
  NoSuchDatabase: { exit: 1 },
  PermissionDenied: { exit: 1 },
  VersionUnsupported: { exit: 1 },
  SourceProblem: { exit: 1 },
  SourceChanged: { exit: 1 },
  RefsTorn: { exit: 1 },
  ObjectMissing: { exit: 1 },
  SourceBusy: { exit: 1, retryable: true },
  SnapshotQuotaExceeded: { exit: 1 },
  SnapshotAlreadyExists: { exit: 1 },
  SnapshotFailed: { exit: 1 },
  SnapshotNotShareable: { exit: 1 },
  InvalidDBInstanceState: { exit: 1 },
  KMSKeyNotAccessible: { exit: 1 },
  TargetNotEmpty: { exit: 13 },
  TargetIsSource: { exit: 13 },
  TargetUnusable: { exit: 13 },
  TargetTooOld: { exit: 1 },
  TargetFull: { exit: 1 },
  TargetProblem: { exit: 1 },
  RestoreFailed: { exit: 1 },
  // drills
  DrillFailed: { exit: 3 },
  NotMeasured: { exit: 4 },
  // running
  NoSuchExecution: { exit: 10 },
  NotDeployed: { exit: 2 },
  ServerFailed: { exit: 1 },
  FunctionKilled: { exit: 1, retryable: true },
  ExecutionTimedOut: { exit: 1 },
  ExecutionAborted: { exit: 130 },
  Interrupted: { exit: 130 },
} as const satisfies Record<string, Kind>;

export type ErrorCode = keyof typeof KINDS;

export class LifeboatError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, options: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = code;
    this.code = code;
    this.hint = options.hint ?? '';
    this.retryable = isRetryable(code);
  }
}

export const isRetryable = (code: ErrorCode): boolean => (KINDS[code] as Kind).retryable === true;

export const retryableCodes = (): readonly ErrorCode[] => (Object.keys(KINDS) as ErrorCode[]).filter(isRetryable);

export const isErrorCode = (name: string): name is ErrorCode => Object.hasOwn(KINDS, name);

/** The exit code of the command line for an error name; anything unknown is a plain failure. */
export const exitCodeOf = (name: string): number => (isErrorCode(name) ? KINDS[name].exit : 1);

export const isLifeboatError = (error: unknown, code?: ErrorCode): error is LifeboatError =>
  error instanceof LifeboatError && (code === undefined || error.code === code);
