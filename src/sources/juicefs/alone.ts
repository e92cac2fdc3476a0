import type { StageContext } from '../contract.ts';
import { shedHeap } from './heap.ts';

/** With more time than this left, nothing ends the work before it is done: a dump into a file. In milliseconds. */
const ENDLESS_MS = 60 * 60 * 1000;
/**
 * From here on a dump takes so long that tidying up first, and another thread, pay: of a million inodes two threads take a quarter less
 * time and a quarter more CPU, of 200,000 a tenth less.
 */
export const LARGE_INODES = 300_000n;

/** Whether this process does all of the work, and for as long as it takes. */
export const isAlone = ({ budget }: Pick<StageContext, 'budget'>): boolean => budget.remaining() > ENDLESS_MS;

/** Makes room in the memory of a process that has all of a large volume before it. */
export const makeRoom = (context: Pick<StageContext, 'budget'>, inodes: bigint): void => {
  if (isAlone(context) && inodes >= LARGE_INODES) shedHeap();
};
