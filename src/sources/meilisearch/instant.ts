import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { PointInTime } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Services } from '../contract.ts';
import type { InstanceAddress } from './address.ts';
import { enqueue, openTasks, type Task } from './api.ts';
import { withClient } from './client.ts';

/** How long a backup waits for tasks that are enqueued, in milliseconds; what waits longer is named in the backup. */
export const QUEUE_WAIT_MS = 60_000;
const POLL_MS = 500;

/** Open tasks that are named in the token. */
const NAMED_MAX = 20;

export const TokenSchema = z.discriminatedUnion('mode', [
  z.object({ mode: z.literal('api'), at: z.string(), waiting: z.int(), named: z.array(z.string()) }),
  z.object({ mode: z.literal('server'), at: z.string(), task: z.int() }),
]);
export type Token = z.output<typeof TokenSchema>;

/**
 * Meilisearch has no snapshot that others could read. In mode api each index is read at an instant of its own, which its tasks check;
 * whether all of them are one instant is known only at the end. In mode server the dump task is the instant.
 */
export const openInstant = (address: InstanceAddress, services: Services, waitMs: number = QUEUE_WAIT_MS): Promise<PointInTime> =>
  withClient(address, services, undefined, async (client) => {
    const now = async (): Promise<string> => ((await client.request('GET', '/health')).date ?? services.now()).toISOString();
    if (address.mode === 'server') {
      const at = await now();
      const task = await enqueue(client, 'POST', '/dumps');
      return { consistency: 'snapshot', at, token: { mode: 'server', at, task } };
    }
    const until = Date.now() + waitMs;
    let waiting = await openTasks(client);
    while (waiting.many > 0 && Date.now() < until) {
      await sleep(POLL_MS);
      waiting = await openTasks(client);
    }
    const at = await now();
    return {
      consistency: 'fuzzy',
      at,
      token: { mode: 'api', at, waiting: waiting.many, named: waiting.open.slice(0, NAMED_MAX).map(nameOf) },
    };
  });

const nameOf = ({ uid, type, indexUid }: Task): string => `task ${uid} (${type}${indexUid === null ? '' : ` of ${indexUid}`})`;

export const tokenOf = (instants: readonly PointInTime[]): Token => {
  const parsed = TokenSchema.safeParse(instants[0]?.token);
  if (parsed.success) return parsed.data;
  throw new LifeboatError('InstantLost', 'the backup has no point in time', { hint: 'Start a new backup.' });
};
