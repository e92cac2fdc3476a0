import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Json } from '../../../src/backup/types.ts';
import type { Cloud, DeployedFunction } from './template.ts';

export interface Functions {
  /** By the function's name. Rejects with an error of the name that the function's error has. */
  invoke(name: string, payload: Json): Promise<Json>;
  /** What the processes of a function printed. */
  readonly printed: ReadonlyMap<string, string>;
  stop(): void;
}

export interface FunctionsOptions {
  readonly cloud: Cloud;
  /** The asset: every step's bundle, and the environment. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The bundles as processes: one at least a function, one more for each invocation at the same time, nothing of the project beside them. */
export const startFunctions = ({ cloud, folder, env }: FunctionsOptions): Functions => {
  const idle = new Map<string, ChildProcess[]>();
  const children = new Set<ChildProcess>();
  const printed = new Map<string, string>();

  const start = async (name: string, { step, settings }: DeployedFunction): Promise<ChildProcess> => {
    const child = fork(join(import.meta.dirname, 'runtime.ts'), [join(folder, `${step}.mjs`)], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: [],
      // The SDK puts the id into the header by which calls are told apart.
      env: {
        ...taskVariables(settings.Environment.Variables),
        ...env,
        NODE_COMPILE_CACHE: join(folder, '..', 'compiled'),
        AWS_LAMBDA_FUNCTION_NAME: name,
        AWS_SDK_UA_APP_ID: name,
      },
    });
    children.add(child);
    const keep = (text: Buffer): void => void printed.set(name, (printed.get(name) ?? '') + text.toString());
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    await answerOf(child, name, printed);
    return child;
  };

  return {
    printed,
    async invoke(name, payload) {
      const deployed = cloud.functions.get(name);
      if (deployed === undefined) throw new Error(`there is no function ${name}`);
      const child = idle.get(name)?.pop() ?? (await start(name, deployed));
      child.send({ id: randomUUID(), payload, timeoutMs: deployed.settings.Timeout * 1000 });
      const answer = await answerOf(child, name, printed);
      idle.set(name, [...(idle.get(name) ?? []), child]);
      if ('error' in answer) throw Object.assign(new Error(answer.error.message), { name: answer.error.name });
      return 'answer' in answer ? JSON.parse(answer.answer) : null;
    },
    stop() {
      for (const child of children) child.kill('SIGKILL');
    },
  };
};

/** What the template gives a function, for a machine without /var/task and /var/runtime: a bundle runs with its folder as its working directory. */
export const taskVariables = ({ NODE_EXTRA_CA_CERTS: _, ...variables }: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, value.replace(/^\/var\/task\//, '')]));

type Answer =
  | { readonly answer: string }
  | { readonly error: { readonly name: string; readonly message: string } }
  | { readonly ready: true };

const answerOf = (child: ChildProcess, name: string, printed: ReadonlyMap<string, string>): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error(`${name} died: ${printed.get(name)?.slice(-2000)}`));
    child.once('exit', onExit);
    child.once('message', (answer: Answer) => {
      child.off('exit', onExit);
      resolve(answer);
    });
  });
