import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
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

/** Of both halves. Less makes rows that wait to be written old, and they cost more then; V8 itself would go to seven times as much. */
const ENOUGH_BYTES = 8 * 1024 * 1024;

/** V8 doubles the room for young objects as long as many survive, and keeps it. Asked between batches; from there on it stays as it is. */
export const boundYoungGeneration = (): void => {
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  if (young !== undefined) setFlagsFromString(`--semi-space-growth-factor=${young.space_size >= ENOUGH_BYTES ? 1 : 2}`);
};
