import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Json } from '../../../src/backup/types.ts';

export interface Functions {
  /** Rejects with an error of the name that the function's error has. */
  invoke(step: string, payload: Json): Promise<Json>;
  /** What the processes of a step printed. */
  readonly printed: ReadonlyMap<string, string>;
  stop(): void;
}

export interface FunctionsOptions {
  readonly folder: string;
  /** Seconds that each step has. */
  readonly secondsOf: (step: string) => number;
  readonly environmentFile: string;
  readonly env: Readonly<Record<string, string>>;
}

interface Idle {
  readonly child: ChildProcess;
}

/** The bundles as processes: one at least a step, one more for each invocation at the same time, nothing of the project beside them. */
export const startFunctions = ({ folder, secondsOf, environmentFile, env }: FunctionsOptions): Functions => {
  const idle = new Map<string, Idle[]>();
  const children = new Set<ChildProcess>();
  const printed = new Map<string, string>();

  const start = async (step: string): Promise<ChildProcess> => {
    const child = fork(join(import.meta.dirname, 'runtime.ts'), [join(folder, `${step}.mjs`)], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: [],
      // The SDK puts the id into the header by which calls are told apart.
      env: { ...env, LIFEBOAT_ENVIRONMENT_FILE: environmentFile, AWS_SDK_UA_APP_ID: step },
    });
    children.add(child);
    const keep = (text: Buffer): void => void printed.set(step, (printed.get(step) ?? '') + text.toString());
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    await answerOf(child, step, printed);
    return child;
  };

  return {
    printed,
    async invoke(step, payload) {
      const child = idle.get(step)?.pop()?.child ?? (await start(step));
      child.send({ id: randomUUID(), payload, timeoutMs: secondsOf(step) * 1000 });
      const answer = await answerOf(child, step, printed);
      idle.set(step, [...(idle.get(step) ?? []), { child }]);
      if ('error' in answer) throw Object.assign(new Error(answer.error.message), { name: answer.error.name });
      return 'answer' in answer ? JSON.parse(answer.answer) : null;
    },
    stop() {
      for (const child of children) child.kill('SIGKILL');
    },
  };
};

type Answer =
  | { readonly answer: string }
  | { readonly error: { readonly name: string; readonly message: string } }
  | { readonly ready: true };

const answerOf = (child: ChildProcess, step: string, printed: ReadonlyMap<string, string>): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error(`${step} died: ${printed.get(step)?.slice(-2000)}`));
    child.once('exit', onExit);
    child.once('message', (answer: Answer) => {
      child.off('exit', onExit);
      resolve(answer);
    });
  });
