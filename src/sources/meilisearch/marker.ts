import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import { parseIfJson } from '../../json.ts';
import type { Budget } from '../contract.ts';
import { enqueue, indexPath } from './api.ts';
import type { Client } from './client.ts';
import { waitTasks } from './wait-tasks.ts';

/** The index that marks a restore which has not ended, and a scratch instance; it is never backed up. */
export const MARKER_INDEX = 'lifeboat-restore';
const MARKER_ID = 'restore';

const MarkerSchema = z.object({
  restore: z.string(),
  /** The drill whose instance this is until it is discarded. */
  scratch: z.string().nullable(),
  /** What a drill found, and leaves as it was. */
  features: z.record(z.string(), z.unknown()),
  keys: z.array(z.string()),
  rules: z.array(z.string()).default([]),
});
export type Marker = z.output<typeof MarkerSchema>;

/** Undefined when there is none. Fails with TargetUnusable when the index is there and is not ours. */
export const readMarker = async (client: Client): Promise<Marker | undefined> => {
  const { status, bytes } = await client.request('GET', `${indexPath(MARKER_INDEX)}/documents/${MARKER_ID}`, { accept: [404] });
  const body = parseIfJson(bytes.toString('utf8'));
  if (status === 404 && z.object({ code: z.literal('index_not_found') }).safeParse(body).success) return undefined;
  const marker = MarkerSchema.safeParse(body);
  if (marker.success) return marker.data;
  // Made, and not yet written: nothing else was done then.
  if (status === 404) return { restore: '', scratch: null, features: {}, keys: [], rules: [] };
  throw new LifeboatError('TargetUnusable', `index ${MARKER_INDEX} is there and is no marker of a restore`, {
    hint: 'Delete it, or restore elsewhere.',
  });
};

export const writeMarker = async (client: Client, marker: Marker, budget: Budget): Promise<void> => {
  const created = await enqueue(client, 'POST', '/indexes', { json: { uid: MARKER_INDEX, primaryKey: 'id' } });
  // It may be there, from an attempt that was killed: only what is written into it counts.
  await waitTasks(client, [created], budget).catch((error: unknown) => {
    if (!(error instanceof LifeboatError && error.message.includes('index_already_exists'))) throw error;
  });
  await mustEnd(
    client,
    [await enqueue(client, 'POST', `${indexPath(MARKER_INDEX)}/documents`, { json: [{ id: MARKER_ID, ...marker }] })],
    budget,
  );
};

export const removeMarker = async (client: Client, budget: Budget): Promise<void> => {
  if ((await readMarker(client)) !== undefined) await mustEnd(client, [await enqueue(client, 'DELETE', indexPath(MARKER_INDEX))], budget);
};

/** Fails with TargetUnusable unless the marker is that of `restore`. */
export const requireMarker = async (client: Client, restore: string): Promise<Marker> => {
  const marker = await readMarker(client);
  if (marker?.restore === restore) return marker;
  throw new LifeboatError(
    'TargetUnusable',
    marker === undefined ? 'the target has no marker of this restore' : `the target is marked by another restore, ${marker.restore}`,
    {
      hint: 'Something else changed the target meanwhile; restore into an empty instance.',
    },
  );
};

/** Short tasks: a target that does not end them within a function's time is busy with something else. */
export const mustEnd = async (client: Client, uids: readonly number[], budget: Budget): Promise<void> => {
  const open = await waitTasks(client, uids, budget);
  if (open.length > 0)
    throw new LifeboatError('SourceBusy', `task ${open[0]} of ${client.address.url} waits behind others`, {
      hint: 'Try again when its queue is empty.',
    });
};
