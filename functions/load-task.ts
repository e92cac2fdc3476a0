import { runRestoreTask } from './restore-task.ts';

/** One child of the Distributed Map: one task of a stage that writes to the target. */
export const handler = runRestoreTask;
