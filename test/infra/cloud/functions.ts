import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Json } from '../../../src/backup/types.ts';
import type { Cloud, DeployedFunction } from './template.ts';

export interface Functions {
  /** By the function's name. Rejects with an error of the name that the function's error has. */
  invoke(name: string, payload: Json): Promise<Json>;
  /** What all of them printed. */
  printed(): string;
  stop(): void;
}

export interface FunctionsOptions {
  readonly cloud: Cloud;
  /** The asset: every step's bundle, and the environment. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The bundles in processes with nothing of the project beside them: as many as there are invocations at the same time. */
export const startFunctions = ({ cloud, folder, env }: FunctionsOptions): Functions => {
  const idle: ChildProcess[] = [];
  const children = new Set<ChildProcess>();
  let printed = '';

  const start = ({ settings }: DeployedFunction): ChildProcess => {
    const child = fork(join(import.meta.dirname, 'runtime.ts'), [], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: [],
      env: { ...taskVariables(settings.Environment.Variables), ...env },
    });
    children.add(child);
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
      });
    return child;
  };

  return {
    printed: () => printed,
    async invoke(name, payload) {
      const deployed = cloud.functions.get(name);
      if (deployed === undefined) throw new Error(`there is no function ${name}`);
      const child = idle.pop() ?? start(deployed);
      const entry = join(folder, `${deployed.step}.mjs`);
      child.send({ id: randomUUID(), name, entry, payload, timeoutMs: deployed.settings.Timeout * 1000 });
      const answer = await answerOf(child, name, () => printed);
      idle.push(child);
      if ('error' in answer) throw Object.assign(new Error(answer.error.message), { name: answer.error.name });
      return JSON.parse(answer.answer);
    },
    stop() {
      for (const child of children) child.kill('SIGKILL');
    },
  };
};

/** What the template gives a function, for a machine without /var/task and /var/runtime: a bundle runs with its folder as its working directory. */
export const taskVariables = ({ NODE_EXTRA_CA_CERTS: _, ...variables }: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, value.replace(/^\/var\/task\//, '')]));

type Answer = { readonly answer: string } | { readonly error: { readonly name: string; readonly message: string } };

const answerOf = (child: ChildProcess, name: string, printed: () => string): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error(`${name} died: ${printed().slice(-2000)}`));
    child.once('exit', onExit);
    child.once('message', (answer: Answer) => {
      child.off('exit', onExit);
      resolve(answer);
    });
  });
