import { z } from 'zod';
import { restoreInput } from '../../backup/restore-input.ts';
import type { Json } from '../../backup/types.ts';
import type { Budget, Services, Stage } from '../contract.ts';
import type { InstanceAddress } from './address.ts';
import { keysOf, optionalJson } from './api.ts';
import { contentsOf } from './artifact.ts';
import { isRestorable } from './classes.ts';
import { type Client, withClient } from './client.ts';
import type { DumpContents, KeyLine } from './dump/contents.ts';
import { handBack } from './hand-back.ts';
import { removeMarker, requireMarker } from './marker.ts';
import { restoreRules } from './rules.ts';

export interface Finishing {
  /** A drill makes no webhook and knows no other instance: they would act on the world. */
  readonly scratch: boolean;
  /** The instance had nothing before: its own keys go, as an import would have it. */
  readonly alone: boolean;
}

/** What is of the instance and not of an index: keys, chats, and outside of a drill webhooks and the network. */
export const instanceStage = (address: InstanceAddress, services: Services): Stage => ({
  name: 'instance',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context) {
    const { restore, manifest, scratch, overwrite } = restoreInput(context);
    const contents = await contentsOf(context, manifest);
    await withClient(address, services, context.budget.signal, async (client) => {
      await requireMarker(client, restore);
      await finishInstance(client, contents, { scratch, alone: !overwrite && !scratch }, services.now(), context.budget);
      // What a drill restores must not be able to call anybody.
      if (!scratch) await handBack(client, address, services, context.budget);
    });
    return { segments: [], digests: [] };
  },
});

/** Removes the marker; a scratch instance keeps its own until it is discarded. */
export const markerStage = (address: InstanceAddress, services: Services): Stage => ({
  name: 'marker',
  mode: 'independent',
  async *plan(context) {
    if (!restoreInput(context).scratch) yield { task: {} };
  },
  async run(_task, context) {
    await withClient(address, services, context.budget.signal, (client) => removeMarker(client, context.budget));
    return { segments: [], digests: [] };
  },
});

export const finishInstance = async (client: Client, contents: DumpContents, how: Finishing, now: Date, budget: Budget): Promise<void> => {
  await restoreRules(client, contents.rules, budget);
  await restoreKeys(client, contents.keys, how, now);
  for (const [workspace, settings] of contents.chats)
    await client.request('PATCH', `/chats/${encodeURIComponent(workspace)}/settings`, { json: withoutNulls(settings) });
  if (how.scratch) return;
  if (contents.network !== undefined && Object.keys(contents.network.remotes).length > 0)
    await client.request('PATCH', '/network', { json: { remotes: remotesOf(contents.network.remotes) } });
  const there = WebhooksSchema.safeParse(await optionalJson(client, 'GET', '/webhooks'));
  const urls = new Set(there.success ? there.data.results.map(({ url }) => url) : []);
  for (const { url, headers } of Object.values(contents.webhooks))
    if (!urls.has(url)) await client.request('POST', '/webhooks', { json: { url, headers } });
};

/** Without what the server only tells: whether a remote answers. */
const remotesOf = (remotes: Readonly<Record<string, Readonly<Record<string, Json>>>>): Json =>
  Object.fromEntries(
    Object.entries(remotes).map(([name, { url = null, searchApiKey = null, writeApiKey = null }]) => [
      name,
      { url, searchApiKey, writeApiKey },
    ]),
  );

const WebhooksSchema = z.object({ results: z.array(z.object({ url: z.string() })) });

/** True for a key that the HTTP API can make now. */
export const canBeMade = (key: KeyLine, now: Date): boolean =>
  isRestorable(key) && (key.expires_at === null || Date.parse(key.expires_at) > now.getTime());

/** With the same uid a key has the same value under the same master key. The key in use is never removed. */
const restoreKeys = async (client: Client, keys: readonly KeyLine[], how: Finishing, now: Date): Promise<void> => {
  const there = (await keysOf(client)) ?? [];
  const wanted = new Set(keys.map(({ uid }) => uid));
  if (how.alone)
    for (const { uid, key } of there)
      if (!wanted.has(uid) && key !== client.key) await client.request('DELETE', `/keys/${uid}`, { accept: [404] });
  const known = new Set(there.map(({ uid }) => uid));
  for (const key of keys) {
    if (known.has(key.uid) || !canBeMade(key, now)) continue;
    const { uid, name, description, actions, indexes, expires_at: expiresAt } = key;
    await client.request('POST', '/keys', { json: { uid, name, description, actions, indexes, expiresAt } });
  }
};

const withoutNulls = (settings: Record<string, Json>): Record<string, Json> =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null));
