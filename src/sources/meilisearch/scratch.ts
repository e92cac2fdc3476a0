import { LifeboatError } from '../../errors.ts';
import type { Budget, Services, Stage } from '../contract.ts';
import type { InstanceAddress } from './address.ts';
import { featuresOf, indexesOf, keysOf } from './api.ts';
import { type Client, withClient } from './client.ts';
import { MARKER_INDEX, type Marker, readMarker, removeMarker } from './marker.ts';
import { removeIndexes } from './prepare.ts';
import { removeRules, rulesOf } from './rules.ts';

/** Only an instance that this drill marked is ever changed or emptied. */
export const requireScratch = async (client: Client, { scratchName }: InstanceAddress): Promise<Marker> => {
  const marker = await readMarker(client);
  if (marker !== undefined && scratchName !== undefined && marker.scratch === scratchName) return marker;
  throw new LifeboatError('TargetUnusable', `${client.address.url} is not the scratch instance ${scratchName ?? 'of a drill'}`, {
    hint: 'A drill touches only an instance that was empty when it began.',
  });
};

/** Leaves the instance as it was found: without indexes, with its own keys and features. Does nothing to one that is not ours. */
export const discardStage = (address: InstanceAddress, services: Services): Stage => ({
  name: 'discard',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context) {
    await withClient(address, services, context.budget.signal, async (client) => {
      const marker = await readMarker(client);
      if (marker === undefined || address.scratchName === undefined || marker.scratch !== address.scratchName) return;
      const uids = (await indexesOf(client)).map(({ uid }) => uid).filter((uid) => uid !== MARKER_INDEX);
      await removeIndexes(client, uids, context.budget);
      await forgetKeys(client, marker);
      await forgetRules(client, marker, context.budget);
      await forgetFeatures(client, marker);
      await removeMarker(client, context.budget);
    });
    return { segments: [], digests: [] };
  },
});

const forgetKeys = async (client: Client, marker: Marker): Promise<void> => {
  const own = new Set(marker.keys);
  for (const { uid, key } of (await keysOf(client)) ?? [])
    if (!own.has(uid) && key !== client.key) await client.request('DELETE', `/keys/${uid}`, { accept: [404] });
};

const forgetRules = async (client: Client, { rules }: Marker, budget: Budget): Promise<void> => {
  const there = await rulesOf(client, await featuresOf(client));
  await removeRules(
    client,
    there.map(({ uid }) => uid).filter((uid) => !rules.includes(uid)),
    budget,
  );
};

const forgetFeatures = async (client: Client, { features }: Marker): Promise<void> => {
  const has = await featuresOf(client);
  const change = Object.fromEntries(Object.entries(features).filter(([name, value]) => name in has && has[name] !== value));
  if (Object.keys(change).length > 0) await client.request('PATCH', '/experimental-features', { json: change });
};
