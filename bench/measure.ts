/**
 * What a command costs with all the processes that it starts.
 *
 * CPU is the kernel's own account: the time of children that were waited for, with theirs, which Linux adds to their
 * parent (`cutime` and `cstime` of /proc/self/stat). A process that outlives its parent is not in it; none of the measured
 * tools leaves one. Memory is sampled: the high-water mark of each process, which the kernel keeps between samples, and
 * the sum of proportional set sizes, in which shared pages count once.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';

export interface Cost {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  /** High-water mark of the largest process. */
  readonly largestBytes: number;
  /** Most that all of them had at once. */
  readonly allBytes: number;
}

const SAMPLE_EVERY_MS = 100;
const KIB = 1024;
const ERROR_TAIL_CHARACTERS = 2_000;
/** Fields of /proc/pid/stat after the name, which may hold blanks: state is 0. */
const STAT = { parent: 1, childrenUser: 13, childrenSystem: 14 } as const;
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Runs a command to its end, one at a time. Its stdout goes to `stdout`, or nowhere. @throws when it fails, with its last words */
export async function measure(
  command: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly errors: string },
): Promise<Cost> {
  const [program = '', ...args] = command;
  const errors = openSync(options.errors, 'w');
  const cpuBefore = childrenCpuSeconds();
  const started = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', errors], env: { ...process.env, ...options.env } });
  closeSync(errors);
  const memory = watchMemory(child);
  const code = await exitCode(child);
  const wallSeconds = (performance.now() - started) / 1000;
  const { largestBytes, allBytes } = memory.stop();
  if (code !== 0) {
    throw new Error(`${command.join(' ')} ended with ${code}:\n${readFileSync(options.errors, 'utf8').slice(-ERROR_TAIL_CHARACTERS)}`);
  }
  return { wallSeconds, cpuSeconds: childrenCpuSeconds() - cpuBefore, largestBytes, allBytes };
}

function exitCode(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'nothing'));
  });
}

function childrenCpuSeconds(): number {
  const fields = statOf('self');
  return (Number(fields[STAT.childrenUser]) + Number(fields[STAT.childrenSystem])) / TICKS_PER_SECOND;
}

function watchMemory(child: ChildProcess): { stop(): Pick<Cost, 'largestBytes' | 'allBytes'> } {
  let largestBytes = 0;
  let allBytes = 0;
  const sample = (): void => {
    const processes = child.pid === undefined ? [] : treeOf(child.pid).map(memoryOf);
    largestBytes = Math.max(largestBytes, ...processes.map(({ peak }) => peak));
    allBytes = Math.max(
      allBytes,
      processes.reduce((sum, { proportional }) => sum + proportional, 0),
    );
  };
  const timer = setInterval(sample, SAMPLE_EVERY_MS);
  return {
    stop: () => {
      clearInterval(timer);
      return { largestBytes, allBytes };
    },
  };
}

/** A process and its descendants. */
function treeOf(root: number): readonly number[] {
  const childrenOf = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statOf(name)[STAT.parent]);
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(name)]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(childrenOf.get(pid) ?? []));
  return tree;
}

function memoryOf(pid: number): { readonly peak: number; readonly proportional: number } {
  return {
    peak: kibibytes(readIfThere(`/proc/${pid}/status`), 'VmHWM'),
    proportional: kibibytes(readIfThere(`/proc/${pid}/smaps_rollup`), 'Pss'),
  };
}

const kibibytes = (text: string, field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * KIB;

const statOf = (pid: string): readonly string[] =>
  readIfThere(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ');

/** A process may end between two looks. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return '';
    throw error;
  }
}
