import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { MakeEngine } from './engine.ts';
import type { Io } from './io.ts';
import { main } from './main.ts';

const DEFAULT_COLUMNS = 80;

/** The command line of this process; the engine is loaded when a command needs it. */
export const start = async (): Promise<void> => {
  endQuietlyWithReader();
  const code = await main(process.argv.slice(2), processIo(), makeEngine);
  process.exitCode = code;
};

const makeEngine: MakeEngine = async (input) => {
  const { environment, deployed } = input;
  const here = await (await import('../local/engine.ts')).makeEngine(input);
  if (environment === undefined || deployed === undefined) return here;
  return (await import('../aws/engine.ts')).makeAwsEngine({ environment, ...deployed, here });
};

const processIo = (): Io => ({
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  terminal: {
    stdin: process.stdin.isTTY === true,
    stdout: process.stdout.isTTY === true,
    stderr: process.stderr.isTTY === true,
    columns: process.stderr.columns ?? DEFAULT_COLUMNS,
  },
  now: () => new Date(),
  onInterrupt: (handler) => {
    process.on('SIGINT', handler);
    process.on('SIGTERM', handler);
    return () => {
      process.off('SIGINT', handler);
      process.off('SIGTERM', handler);
    };
  },
  exit: (code) => process.exit(code),
  open,
});

/** `lifeboat list | head -1`: the reader has enough, which is no failure. */
const endQuietlyWithReader = (): void => {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
};

const open = async (path: string): Promise<void> => {
  const viewer = spawn(process.platform === 'darwin' ? 'open' : 'xdg-open', [path], { stdio: 'ignore', detached: true });
  await once(viewer, 'spawn');
  viewer.unref();
};
