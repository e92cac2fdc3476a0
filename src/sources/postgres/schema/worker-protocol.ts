import type { MessagePort } from 'node:worker_threads';

/** What the worker that runs pg_dump is started with. */
export interface WorkerInput {
  /** Carries messages of the PostgreSQL protocol there and replies back; at last, the result. */
  readonly port: MessagePort;
  /** Four bytes; becomes 1 when a reply lies in `port`. */
  readonly flag: SharedArrayBuffer;
  readonly args: readonly string[];
  /** What the server said at login, for the worker to repeat. */
  readonly startup: readonly (readonly [string, string])[];
}

export type WorkerResult = { readonly text: Uint8Array } | { readonly error: string };
