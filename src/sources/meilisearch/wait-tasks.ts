import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import type { Budget } from '../contract.ts';
import { TaskSchema } from './api.ts';
import type { Client } from './client.ts';

const TasksSchema = z.object({ results: z.array(TaskSchema) });

/** Between two looks, in milliseconds: soon at first. */
const POLL_FIRST_MS = 20;
const POLL_MAX_MS = 1_000;
/** Tasks that one request asks about. */
const ASKED_MAX = 100;

/** Looks at tasks of ours; answers those that have not ended. Fails with RestoreFailed on one that failed or was canceled. */
export const openOf = async (client: Client, uids: readonly number[]): Promise<number[]> => {
  const open: number[] = [];
  for (let at = 0; at < uids.length; at += ASKED_MAX) {
    const asked = uids.slice(at, at + ASKED_MAX);
    const { results } = await client.json(TasksSchema, 'GET', '/tasks', { query: { uids: asked.join(','), limit: ASKED_MAX } });
    for (const { uid, type, indexUid, status, error } of results) {
      if (status === 'enqueued' || status === 'processing') open.push(uid);
      if (status === 'succeeded') continue;
      if (status === 'failed' || status === 'canceled')
        throw new LifeboatError(
          'RestoreFailed',
          `task ${uid} (${type} of ${indexUid ?? 'the instance'}) ${status}: ${error?.code ?? ''} ${error?.message ?? ''}`.trim(),
          {
            hint: 'The target did not take what the backup holds; what is there now is not whole.',
          },
        );
    }
    if (results.length < asked.length)
      throw new LifeboatError('TargetProblem', `the target has forgotten tasks of this restore (${asked.length - results.length})`, {
        hint: 'Does somebody delete tasks there? Restore again.',
      });
  }
  return open;
};

/** Waits until at most `left` of the tasks are open, or the budget is spent; answers those that still are. */
export const waitTasks = async (client: Client, uids: readonly number[], budget: Budget, left = 0): Promise<number[]> => {
  let open = await openOf(client, uids);
  for (let pause = POLL_FIRST_MS; open.length > left && budget.remaining() > 0; pause = Math.min(POLL_MAX_MS, pause * 2)) {
    await sleep(pause, undefined, { signal: budget.signal });
    open = await openOf(client, open);
  }
  return open;
};
