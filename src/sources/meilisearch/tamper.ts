import { z } from 'zod';
import type { Json, Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Budget, Services, Tampering } from '../contract.ts';
import type { InstanceAddress } from './address.ts';
import { enqueue, type Index, indexesOf, indexPath, settingsOf, statsOf } from './api.ts';
import { SETTINGS_CLASS } from './classes.ts';
import { type Client, withClient } from './client.ts';
import { documentsClass } from './dump/document-row.ts';
import { MARKER_INDEX, mustEnd } from './marker.ts';
import { requireScratch } from './scratch.ts';

const JsonValue: z.ZodType<Json> = z.json();
const PageSchema = z.object({ results: z.array(z.record(z.string(), JsonValue)) });

/** Changes one document of the scratch instance, or where there is none, the settings of one index. */
export const tamperWith = (
  address: InstanceAddress,
  services: Services,
  _manifest: Manifest,
  seed: number,
  budget: Budget,
): Promise<Tampering> =>
  withClient(address, services, budget.signal, async (client) => {
    await requireScratch(client, address);
    return tamperInstance(client, seed, budget);
  });

export const tamperInstance = async (client: Client, seed: number, budget: Budget): Promise<Tampering> => {
  const stats = await statsOf(client);
  const indexes = (await indexesOf(client)).filter(({ uid }) => uid !== MARKER_INDEX);
  const filled = indexes.filter(({ uid, primaryKey }) => primaryKey !== null && (stats.indexes[uid]?.numberOfDocuments ?? 0) > 0);
  const index = filled[seed % Math.max(1, filled.length)];
  if (index !== undefined) return changeDocument(client, index, seed % (stats.indexes[index.uid]?.numberOfDocuments ?? 1), budget);
  const [empty] = indexes;
  if (empty !== undefined) return changeSettings(client, empty, budget);
  throw new LifeboatError('NotMeasured', 'the backup has no index that could be damaged on purpose');
};

const changeDocument = async (client: Client, { uid, primaryKey }: Index, offset: number, budget: Budget): Promise<Tampering> => {
  const page = await client.json(PageSchema, 'GET', `${indexPath(uid)}/documents`, { query: { offset, limit: 1 } });
  const document = page.results[0] ?? {};
  const id = String(document[primaryKey ?? '']);
  const field = Object.keys(document).find((name) => name !== primaryKey && !name.startsWith('_')) ?? 'tampered';
  // A partial update: what cannot be said exactly in JSON here stays as it is.
  const change = { [primaryKey ?? 'id']: document[primaryKey ?? ''] ?? null, [field]: changed(document[field]) };
  await mustEnd(client, [await enqueue(client, 'PUT', `${indexPath(uid)}/documents`, { json: [change] })], budget);
  return { what: [`changed ${JSON.stringify(field)} of document ${id} of index ${uid}`], classes: [documentsClass(uid)] };
};

const changed = (value: Json | undefined): Json => {
  if (typeof value === 'string') return `${value} (changed)`;
  if (typeof value === 'number') return Math.trunc(value / 2) === value ? 1 : Math.trunc(value / 2);
  return value === true ? false : 'changed';
};

const changeSettings = async (client: Client, { uid }: Index, budget: Budget): Promise<Tampering> => {
  const stopWords = z
    .array(z.string())
    .catch([])
    .parse((await settingsOf(client, uid))['stopWords']);
  await mustEnd(
    client,
    [await enqueue(client, 'PATCH', `${indexPath(uid)}/settings`, { json: { stopWords: [...stopWords, 'lifeboat'] } })],
    budget,
  );
  return { what: [`added a stop word to index ${uid}`], classes: [SETTINGS_CLASS.name] };
};
