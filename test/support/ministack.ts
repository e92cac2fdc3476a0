import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram, freePort } from './programs.ts';

/** An S3 server that others wrote, for a second opinion. */
export type Independent =
  | { readonly kind: 'endpoint'; readonly url: string }
  | { readonly kind: 'ministack'; readonly path: string }
  | { readonly kind: 'none'; readonly why: string };

/** `LIFEBOAT_TEST_S3`, else ministack on PATH. Where CI is `true`, one of them must be there. */
export const independentS3 = (): Independent => {
  const url = process.env['LIFEBOAT_TEST_S3'];
  if (url !== undefined && url !== '') return { kind: 'endpoint', url };
  const path = findProgram('ministack');
  if (path !== undefined) return { kind: 'ministack', path };
  return { kind: 'none', why: 'LIFEBOAT_TEST_S3 is not set and ministack is not on PATH' };
};

const START_MS = 30_000;

/** Starts it on a free port of this machine; `stop` waits until it is gone. */
export const startMinistack = async (
  path: string,
  more: Readonly<Record<string, string>> = {},
): Promise<{ readonly url: string; stop(): Promise<void> }> => {
  const port = await freePort();
  const env = { ...process.env, ...more, GATEWAY_PORT: String(port), BIND_HOST: '127.0.0.1' };
  const child = spawn(path, [], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  const url = `http://127.0.0.1:${port}`;
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  for (const deadline = Date.now() + START_MS; ; await sleep(100)) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop(child, exited);
      throw new Error(`ministack did not start: ${said}`);
    }
    if (await answers(url)) return { url, stop: () => stop(child, exited) };
  }
};

const stop = async (child: ChildProcess, exited: Promise<void>): Promise<void> => {
  child.kill('SIGTERM');
  const killing = setTimeout(() => child.kill('SIGKILL'), 3000);
  await exited;
  clearTimeout(killing);
};

const answers = async (url: string): Promise<boolean> => {
  try {
    await fetch(url, { signal: AbortSignal.timeout(1000) });
    return true;
  } catch {
    return false;
  }
};
