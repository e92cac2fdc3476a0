import { z } from 'zod';
import { restoreInput } from '../../backup/restore-input.ts';
import { LifeboatError } from '../../errors.ts';
import { parseIfJson } from '../../json.ts';
import type { Budget, Services, Stage } from '../contract.ts';
import type { InstanceAddress } from './address.ts';
import { enqueue, IndexSchema, indexPath } from './api.ts';
import { contentsOf } from './artifact.ts';
import { shownSettings } from './classes.ts';
import { type Client, withClient } from './client.ts';
import type { DumpContents, DumpIndex } from './dump/contents.ts';
import { mustEnd, requireMarker } from './marker.ts';

/** Indexes that one task makes. */
const INDEXES_A_TASK = 20;

const TaskSchema = z.strictObject({ first: z.int().nonnegative(), count: z.int().positive() });

/** Before any document: nothing is then indexed twice. */
export const settingsStage = (address: InstanceAddress, services: Services): Stage => ({
  name: 'settings',
  mode: 'independent',
  async *plan(context) {
    const { indexes } = await contentsOf(context, restoreInput(context).manifest);
    for (let first = 0; first < indexes.length; first += INDEXES_A_TASK)
      yield { task: { first, count: Math.min(INDEXES_A_TASK, indexes.length - first) } };
  },
  async run(json, context) {
    const { first, count } = TaskSchema.parse(json);
    const { restore, manifest } = restoreInput(context);
    const { indexes, features } = await contentsOf(context, manifest);
    await withClient(address, services, context.budget.signal, async (client) => {
      await requireMarker(client, restore);
      for (const index of indexes.slice(first, first + count)) await restoreIndex(client, index, features, context.budget);
    });
    return { segments: [], digests: [] };
  },
});

/** Makes the index unless an earlier attempt did, and gives it its settings. Secrets are not in them: they were never shown. */
export const restoreIndex = async (
  client: Client,
  { uid, primaryKey, settings: all }: DumpIndex,
  features: DumpContents['features'],
  budget: Budget,
): Promise<void> => {
  const settings = shownSettings(all, features);
  const { status, bytes } = await client.request('GET', indexPath(uid), { accept: [404] });
  if (status === 404) await mustEnd(client, [await enqueue(client, 'POST', '/indexes', { json: { uid, primaryKey } })], budget);
  else if (IndexSchema.parse(parseIfJson(bytes.toString('utf8'))).primaryKey !== primaryKey)
    throw new LifeboatError('TargetUnusable', `index ${uid} of the target has another primary key`, {
      hint: 'Something else made it meanwhile.',
    });
  if (Object.keys(settings).length > 0)
    await mustEnd(client, [await enqueue(client, 'PATCH', `${indexPath(uid)}/settings`, { json: settings })], budget);
};
