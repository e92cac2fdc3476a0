import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * A dump makes a great many objects that live for a moment. V8 takes ever more room for those and keeps it: 60 MiB more at a million
 * inodes, for a seventh less time. From here on it stays with what it has.
 */
export const keepHeapSmall = (): void => setFlagsFromString('--semi-space-growth-factor=1');

/**
 * Gives back what a process has from its start: loading code leaves 32 MiB for objects that live for a moment, and nothing else that can
 * be asked for while it runs makes them less. Takes about as long as a thread to start.
 */
export const shedHeap = (): void => {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
};
