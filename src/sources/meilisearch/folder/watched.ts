import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../../errors.ts';

/**
 * Runs a command below a shell that holds one end of a pipe whose other end only we hold: when we die, even by SIGKILL, the pipe ends and
 * the shell kills the command. Both live in a session of their own, so that Ctrl-C reaches us alone. $1 is the log, $2 and $3 are removed at the
 * end, whoever ended it; the pid is printed.
 */
const SCRIPT = `
log=$1; folder=$2; file=$3; shift 3
exec 3<&0
"$@" </dev/null >>"$log" 2>&1 3<&- &
server=$!
echo "$server"
( while read -r _; do :; done; kill -KILL "$server" ) <&3 >/dev/null 2>&1 &
watch=$!
exec 3<&- </dev/null
wait "$server"
kill "$watch" 2>/dev/null
rm -rf -- "$folder" "$file"
`;

export interface Command {
  readonly path: string;
  readonly arguments: readonly string[];
  /** All of it: nothing of ours is handed on. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Both outputs are added to it. */
  readonly log: string;
  /** A folder and a file that go with it. */
  readonly removed: readonly [folder: string, file: string];
}

/** Answers the pid of the command, which runs until it ends, until `stop`, or until this process is gone. */
export const startWatched = async ({ path, arguments: rest, env, cwd, log, removed }: Command): Promise<number> => {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'sh', log, ...removed, path, ...rest], {
    cwd,
    env: { PATH: '/usr/bin:/bin', ...env },
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const pid = await printedPid(shell);
  // It alone must not keep us alive.
  for (const handle of [shell, shell.stdin, shell.stdout]) if (handle === shell || handle instanceof Socket) handle.unref();
  return pid;
};

const printedPid = (shell: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    const fail = (reason: string): void => reject(new LifeboatError('ServerFailed', `cannot start /bin/sh: ${reason}`));
    shell.once('error', (error) => fail(error.message));
    shell.once('exit', (code) => fail(`it ended with ${code}`));
    shell.stdout?.once('data', (line: Buffer) => resolve(Number.parseInt(line.toString('latin1'), 10)));
  });

/** Whether there is a process `pid` that has not ended. */
export const exists = async (pid: number): Promise<boolean> => {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return !existsSync('/proc/self') || !/\) [ZX] /.test(await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => ') X '));
};

/** Looks at the arguments of a process: while one program takes the place of another they are none for a moment. */
const LOOKS = 5;

/** Whether `pid` still is what was started with `argument`: its number may belong to something else by now. */
const isOurs = async (pid: number, argument: string): Promise<boolean> => {
  if (!existsSync('/proc/self')) return true;
  for (let look = 0; look < LOOKS; look++) {
    if ((await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0').includes(argument)) return true;
    await sleep(END_POLL_MS);
  }
  return false;
};

/** Between two looks whether a process has ended, in milliseconds; after that many of patience it is killed. */
const END_POLL_MS = 20;
const END_PATIENCE_MS = 10_000;

/** Resolves once what was started as `pid` with `argument` is gone. */
export const stop = async (pid: number, argument: string): Promise<void> => {
  if (!(await exists(pid)) || !(await isOurs(pid, argument))) return;
  const late = Date.now() + END_PATIENCE_MS;
  signal(pid, 'SIGTERM');
  while (await exists(pid)) {
    if (Date.now() > late) signal(pid, 'SIGKILL');
    await sleep(END_POLL_MS);
  }
};

const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
};
