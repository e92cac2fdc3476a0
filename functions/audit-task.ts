import { runRestoreTask } from './restore-task.ts';

/** One child of the Distributed Map: reads a part of the restored system. Its role may not write. */
export const handler = runRestoreTask;
