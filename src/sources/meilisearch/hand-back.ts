import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import type { Budget, Services } from '../contract.ts';
import type { MeilisearchAddress } from './address.ts';
import { enqueue, indexPath } from './api.ts';
import type { Client } from './client.ts';
import { mustEnd } from './marker.ts';

/** Places as a backup names them: what is before, and the last name. */
const EMBEDDER = /^indexes\/([A-Za-z0-9_-]+)\/embedders\/([^/]+)((?:\/[^/]+)*)\/apiKey$/;
const CHAT = /^chats\/([^/]+)\/apiKey$/;
const WEBHOOK = /^webhooks\/(.+)\/([^/]+)$/;

const WebhooksSchema = z.object({ results: z.array(z.object({ uuid: z.string(), url: z.string() })) });

/**
 * Gives a restored instance the secrets that its server had shown only in part, from the references of the target. Fails with
 * RestoreFailed on a place that is not there.
 */
export const handBack = async (
  client: Client,
  { secrets }: MeilisearchAddress,
  services: Pick<Services, 'secret'>,
  budget: Budget,
): Promise<void> => {
  for (const [place, reference] of Object.entries(secrets ?? {})) await give(client, place, await services.secret(reference), budget);
};

const give = async (client: Client, place: string, secret: string, budget: Budget): Promise<void> => {
  const embedder = EMBEDDER.exec(place);
  if (embedder !== null) {
    const [, uid = '', name = '', within = ''] = embedder;
    const inner = within.split('/').reduceRight<object>((json, part) => (part === '' ? json : { [part]: json }), { apiKey: secret });
    const json = { embedders: { [name]: inner } };
    return mustEnd(client, [await enqueue(client, 'PATCH', `${indexPath(uid)}/settings`, { json })], budget);
  }
  const chat = CHAT.exec(place)?.[1];
  if (chat !== undefined) {
    await client.request('PATCH', `/chats/${encodeURIComponent(chat)}/settings`, { json: { apiKey: secret } });
    return;
  }
  const [, url = '', header = ''] = WEBHOOK.exec(place) ?? [];
  const { results } = await client.json(WebhooksSchema, 'GET', '/webhooks');
  const webhook = results.find((each) => each.url === url);
  if (webhook === undefined)
    throw new LifeboatError('RestoreFailed', `nothing of the target has the secret ${place}`, {
      hint: '`lifeboat show` names the places of the secrets that a backup lacks.',
    });
  await client.request('PATCH', `/webhooks/${webhook.uuid}`, { json: { headers: { [header]: secret } } });
};
