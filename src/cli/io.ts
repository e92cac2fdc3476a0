import type { Readable, Writable } from 'node:stream';

/** What the command line uses of the process; a test brings its own. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Whether a person looks at it, and how wide that is. */
  readonly terminal: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean; readonly columns: number };
  now(): Date;
  /** Calls the handler at each SIGINT or SIGTERM; answers how to stop that. */
  onInterrupt(handler: () => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
  /** Shows a file to the person at this machine. */
  open(path: string): Promise<void>;
}
