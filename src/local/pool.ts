import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Progress, Report } from '../backup/progress.ts';
import type { Json } from '../backup/types.ts';
import type { Environment } from '../environment/environment.ts';
import { environmentFile } from '../environment/parse.ts';
import { FEW_ARENAS, YOUNG_GENERATION } from '../environment/steps.ts';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { functionTimedOut } from './asl/errors.ts';

/** What a function has on AWS, in milliseconds. */
export const FUNCTION_TIMEOUT_MS = 900_000;

/** Processes at the same time, whatever concurrency the environment asks for. */
const WORKERS_MAX = 32;

/** Processes started before they are asked for, while the first step works: two lanes of holders, and who waits for them. */
const WORKERS_WARM = 3;

/** Bytes of a worker's stderr that are kept for the message of its death. */
const STDERR_KEPT_BYTES = 4096;

export type FromWorker =
  | { readonly type: 'answer'; readonly payload: string }
  | { readonly type: 'error'; readonly name: string; readonly message: string; readonly stack: string }
  | { readonly type: 'progress'; readonly progress: Progress };

export interface Pool {
  /** Rejects with an error whose name is the function's error, with FunctionKilled, or with Sandbox.Timedout. */
  invoke(step: string, payload: Json): Promise<Json>;
  /** Kills processes that run this step now, `most` or all, as an out-of-memory kill would; answers how many. For tests of faults. */
  kill(step: string, most?: number): number;
  /** Ends every process, busy or not. */
  close(): Promise<void>;
}

export interface PoolOptions {
  readonly environment: Environment;
  readonly report: Report;
  /** Milliseconds that a function may take, by step; FUNCTION_TIMEOUT_MS where it says nothing. */
  readonly timeoutOf?: ByStep;
  /** Milliseconds after which a function hands back what can be done later. For tests that force every continuation. */
  readonly handBackAfter?: ByStep;
}

export type ByStep = (step: string) => number | undefined;

interface Worker {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  step: string | undefined;
  /** Killed; its process may not have ended yet. */
  doomed: boolean;
}

export const openPool = async ({ environment, report, timeoutOf, handBackAfter }: PoolOptions): Promise<Pool> => {
  const temporary = await mkdtemp(join(tmpdir(), 'lifeboat-'));
  const workers = new Set<Worker>();
  const idle: Worker[] = [];
  const waiting: (() => void)[] = [];
  let closed = false;

  const start = (): Worker => {
    const child = fork(new URL('./worker.ts', import.meta.url), [], {
      execArgv: [...process.execArgv, YOUNG_GENERATION],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, ...FEW_ARENAS, LIFEBOAT_TMP: temporary },
    });
    let kept = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      kept = (kept + text).slice(-STDERR_KEPT_BYTES);
    });
    child.send({ type: 'world', raw: environmentFile(environment), name: environment.name, root: environment.root });
    const worker: Worker = { child, stderr: () => kept, step: undefined, doomed: false };
    workers.add(worker);
    // A process may end while nobody uses it, too. What it is sent then fails with its exit.
    child.once('exit', () => drop(worker));
    child.on('error', () => {});
    return worker;
  };

  const take = async (): Promise<Worker> => {
    for (;;) {
      if (closed) throw new LifeboatError('ExecutionAborted', 'the functions were ended');
      const ready = idle.pop();
      if (ready !== undefined) return ready;
      if (workers.size < WORKERS_MAX) return start();
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };

  const drop = (worker: Worker): void => {
    workers.delete(worker);
    if (idle.includes(worker)) idle.splice(idle.indexOf(worker), 1);
    waiting.shift()?.();
  };

  const giveBack = (worker: Worker): void => {
    worker.step = undefined;
    if (worker.doomed || hasEnded(worker)) return;
    idle.push(worker);
    waiting.shift()?.();
  };

  for (let n = 0; n < WORKERS_WARM; n++) idle.push(start());

  return {
    async invoke(step, payload) {
      const worker = await take();
      worker.step = step;
      const timeoutMs = timeoutOf?.(step) ?? FUNCTION_TIMEOUT_MS;
      try {
        const handBackAfterMs = handBackAfter?.(step);
        return await ask(worker, { type: 'invoke', id: randomUUID(), step, payload, timeoutMs, handBackAfterMs }, report);
      } finally {
        giveBack(worker);
      }
    },
    kill(step, most = WORKERS_MAX) {
      const busy = [...workers].filter((worker) => worker.step === step && !worker.doomed).slice(0, most);
      for (const worker of busy) doom(worker);
      return busy.length;
    },
    async close() {
      closed = true;
      await Promise.all([...workers].map(ended));
      for (const resolve of waiting.splice(0)) resolve();
      await rm(temporary, { recursive: true, force: true });
    },
  };
};

const hasEnded = ({ child }: Worker): boolean => child.exitCode !== null || child.signalCode !== null;

const doom = (worker: Worker): void => {
  worker.doomed = true;
  worker.child.kill('SIGKILL');
};

const ended = (worker: Worker): Promise<void> =>
  new Promise((resolve) => {
    if (hasEnded(worker)) return resolve();
    worker.child.once('exit', () => resolve());
    doom(worker);
  });

interface Invocation {
  readonly type: 'invoke';
  readonly id: string;
  readonly step: string;
  readonly payload: Json;
  readonly timeoutMs: number;
  readonly handBackAfterMs: number | undefined;
}

const ask = (worker: Worker, invocation: Invocation, report: Report): Promise<Json> =>
  new Promise((resolve, reject) => {
    const { child } = worker;
    const late = setTimeout(() => {
      doom(worker);
      settle(() => reject(functionTimedOut(invocation.timeoutMs / 1000)));
    }, invocation.timeoutMs);
    const settle = (how: () => void): void => {
      clearTimeout(late);
      child.off('message', onMessage);
      child.off('exit', onExit);
      how();
    };
    const onExit = (code: number | null = child.exitCode, signal: string | null = child.signalCode): void => {
      const why = worker.stderr().trim();
      const message = `function ${invocation.step} ended (${signal ?? `exit code ${code}`})${why === '' ? '' : `: ${why}`}`;
      settle(() => reject(new LifeboatError('FunctionKilled', message)));
    };
    const onMessage = (message: FromWorker): void => {
      if (message.type === 'progress') report(message.progress);
      else if (message.type === 'answer') settle(() => resolve(parseJson(message.payload)));
      else settle(() => reject(Object.assign(new Error(message.message), { name: message.name, stack: message.stack })));
    };
    child.on('message', onMessage);
    child.once('exit', onExit);
    child.send(invocation, (error) => {
      // Its exit is about to be told; if it was before, nobody else tells.
      if (error !== null && hasEnded(worker)) onExit();
    });
  });
