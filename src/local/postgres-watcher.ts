/**
 * Runs a PostgreSQL server under a watcher: a shell that holds one end of a pipe whose other end only we hold. When we
 * die, even by SIGKILL, the pipe ends and the watcher shuts the server down. Both live in a session of their own, so that
 * Ctrl-C reaches us alone and we stop them in order.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { LifeboatError } from '../errors.ts';
import type { SystemUser } from './system-user.ts';

/** A fast shutdown that has not ended after this is followed by an immediate one. */
const FAST_SHUTDOWN_SECONDS = 20;

/**
 * $1 is a throw-away folder to remove at the end, or empty; the rest is the command. Its pid is printed first.
 * INT asks PostgreSQL for a fast shutdown, QUIT for an immediate one; INT is repeated, as a server that has only just
 * been started does not hear it yet.
 */
const SCRIPT = `
remove=$1; shift
exec 3<&0
"$@" </dev/null >&2 3<&- &
server=$!
echo "$server"
(
  while read -r _; do :; done
  left=${FAST_SHUTDOWN_SECONDS}
  while test $left -gt 0 && kill -INT "$server"; do sleep 1; left=$((left - 1)); done
  kill -QUIT "$server"
) <&3 >/dev/null 2>&1 &
watch=$!
exec 3<&- </dev/null
wait "$server"; code=$?
kill "$watch" 2>/dev/null
test -z "$remove" || rm -rf -- "$remove"
exit "$code"
`;

export interface WatchedProcess {
  readonly pid: number;
  /** Resolves with the exit code (128 + signal for a killed one) once the server, and what it should leave, is gone. */
  readonly ended: Promise<number>;
  hasEnded(): boolean;
  /** The end of the log, also once it is removed. */
  logTail(): string;
  /** Sends the signal unless it has ended, and waits for the end. */
  end(signal: 'SIGINT' | 'SIGQUIT'): Promise<void>;
}

export interface WatchOptions {
  readonly user: SystemUser;
  /** Both outputs of the command go here; what it held is gone. */
  readonly logFile: string;
  /** Removed, by the watcher, after the server has ended. */
  readonly removeAtEnd?: string;
}

/** Enough for the reason of a failed start and what led to it. */
const LOG_TAIL_BYTES = 2_000;

/** In place of an exit code, when a signal ended the watcher itself. */
const WATCHER_KILLED = 128;

/** The folder of the log belongs to the other user, who could have left a link to a file of ours. */
const LOG_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC | constants.O_APPEND | constants.O_NOFOLLOW;

/** Starts `command` under a watcher; it is running, not ready, when this resolves. @throws ServerFailed */
export async function watched(command: string, args: readonly string[], options: WatchOptions): Promise<WatchedProcess> {
  const log = openSync(options.logFile, LOG_FLAGS, 0o600);
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'sh', options.removeAtEnd ?? '', command, ...args], {
    ...options.user.ids,
    cwd: '/',
    detached: true,
    env: { PATH: searchPath(), LC_ALL: 'C', TZ: 'UTC' },
    stdio: ['pipe', 'pipe', log],
  });
  let code: number | undefined;
  let lastWords: string | undefined;
  const ended = new Promise<number>((resolve) => {
    shell.once('exit', (exit) => {
      lastWords = tailOf(log);
      closeSync(log);
      code = exit ?? WATCHER_KILLED;
      resolve(code);
    });
  });
  const pid = await printedPid(shell);
  setReferenced(shell, false);
  return {
    pid,
    ended,
    hasEnded: () => code !== undefined,
    logTail: () => lastWords ?? tailOf(log),
    async end(signal) {
      if (code === undefined) {
        setReferenced(shell, true);
        signalUnlessGone(pid, signal);
      }
      await ended;
    },
  };
}

/** The script needs `sleep` and `rm`, also when we were started with a PATH that lacks them. */
const searchPath = (): string => [process.env['PATH'] ?? '', '/usr/bin', '/bin'].filter((folders) => folders !== '').join(':');

function printedPid(shell: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void =>
      reject(new LifeboatError('ServerFailed', `could not start /bin/sh, which watches over the server: ${reason}`));
    shell.once('error', (error) => fail(error.message));
    shell.once('exit', (code) => fail(`it ended with ${code}`));
    shell.stdout?.once('data', (line: Buffer) => resolve(Number.parseInt(line.toString('latin1'), 10)));
  });
}

/** A server alone must not keep us alive: when nothing else is to be done we exit, and the watcher stops it. */
function setReferenced(shell: ChildProcess, referenced: boolean): void {
  const sockets = [shell.stdin, shell.stdout].filter((stream) => stream instanceof Socket);
  for (const handle of [shell, ...sockets]) {
    if (referenced) handle.ref();
    else handle.unref();
  }
}

function tailOf(file: number): string {
  const start = Math.max(0, fstatSync(file).size - LOG_TAIL_BYTES);
  const tail = Buffer.alloc(LOG_TAIL_BYTES);
  const length = readSync(file, tail, 0, tail.length, start);
  return tail.toString('utf8', 0, length).trim();
}

function signalUnlessGone(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
