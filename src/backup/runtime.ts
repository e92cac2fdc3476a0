import type { Services } from '../sources/contract.ts';
import type { Store } from '../stores/store.ts';
import type { Report } from './progress.ts';
import type { Spool } from './segments.ts';

/** What the steps use of the world; every function gets one, wherever it runs. */
export interface Runtime {
  readonly store: Store;
  readonly control: Store;
  readonly services: Services;
  readonly tool: string;
  readonly report: Report;
  openSpool(): Spool;
  now(): Date;
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** Whether an execution still runs; `unknown` when nobody can tell. */
  executionState(arn: string): Promise<'running' | 'gone' | 'unknown'>;
}
