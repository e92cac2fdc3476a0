import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Services, TaskContext } from '../../contract.ts';

/** Bytes of what a failing binary said that are kept. */
const WORDS_MAX_BYTES = 600;

/** The vendor's own binary, where this machine has one: a path. */
export const juicefsBinary = (): string | undefined => {
  const path = process.env['JUICEFS_BIN'];
  return path === undefined || path === '' ? undefined : path;
};

export interface Running {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Undefined when it ended well; else how it ended, and what it said first. */
  readonly failure: Promise<string | undefined>;
}

/** Starts the binary; it ends with the budget at the latest. Secrets go through `env`. */
export const startJuicefs = (
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  services: Services,
  { budget }: TaskContext,
): Running => {
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(juicefsBinary() ?? 'juicefs', args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', HOME: services.temporary, ...env },
    timeout: Math.max(1, budget.remaining()),
    signal: budget.signal,
  });
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (words.length < WORDS_MAX_BYTES) words += chunk.toString('utf8').slice(0, WORDS_MAX_BYTES - words.length);
  });
  const failure = new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code === 0 ? undefined : `it ended with ${signal ?? code}: ${words.trim()}`));
  });
  return { stdout: child.stdout, stderr: child.stderr, failure };
};
