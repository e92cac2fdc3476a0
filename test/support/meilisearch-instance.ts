import { randomUUID } from 'node:crypto';
import { HttpError, type Instance, page, type Route } from './meilisearch-routes.ts';

export const instanceRoutes = ({ state, options }: Instance): readonly Route[] => [
  ['GET', /^\/health$/, () => ({ body: { status: 'available' } })],
  ['GET', /^\/version$/, () => ({ body: { commitSha: 'unknown', commitDate: 'unknown', pkgVersion: options.version ?? '1.50.0' } })],
  ['GET', /^\/experimental-features$/, () => ({ body: state.features })],
  [
    'PATCH',
    /^\/experimental-features$/,
    ({ body }) => {
      const given = body() as Record<string, unknown>;
      const unknown = Object.keys(given).find((name) => !(name in state.features));
      if (unknown !== undefined) throw new HttpError(400, 'bad_request', `Unknown field \`${unknown}\``);
      Object.assign(state.features, given);
      return { body: state.features };
    },
  ],
  [
    'GET',
    /^\/network$/,
    () => {
      if (state.features['network'] !== true)
        throw new HttpError(400, 'feature_not_enabled', 'Using the /network route requires enabling the `network` experimental feature.');
      return { body: state.network };
    },
  ],
  [
    'PATCH',
    /^\/network$/,
    ({ body }) => {
      Object.assign(state.network, body());
      return { body: state.network };
    },
  ],
  [
    'GET',
    /^\/webhooks$/,
    () => ({
      body: {
        results: [...state.webhooks].map(([uuid, { url, headers }]) => ({
          uuid,
          isEditable: true,
          url,
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, value]) => [name, name === 'Authorization' ? `${value.slice(0, 10)}XXXXX...` : value]),
          ),
        })),
      },
    }),
  ],
  [
    'POST',
    /^\/webhooks$/,
    ({ body }) => {
      const { url, headers = {} } = body() as { url: string; headers?: Record<string, string> };
      const uuid = randomUUID();
      state.webhooks.set(uuid, { url, headers });
      return { status: 201, body: { uuid, isEditable: true, url, headers } };
    },
  ],
  [
    'PATCH',
    /^\/webhooks\/([^/]+)$/,
    ({ match, body }) => {
      const webhook = state.webhooks.get(match[1] ?? '');
      if (webhook === undefined) throw new HttpError(404, 'webhook_not_found', `Webhook \`${match[1]}\` not found.`);
      Object.assign(webhook.headers, (body() as { headers?: Record<string, string> }).headers);
      return { body: webhook };
    },
  ],
  [
    'GET',
    /^\/chats$/,
    ({ query }) => ({
      body: page(
        [...state.chats.keys()].map((uid) => ({ uid })),
        query,
      ),
    }),
  ],
  [
    'GET',
    /^\/chats\/([^/]+)\/settings$/,
    ({ match }) => {
      const chat = structuredClone(state.chats.get(match[1] ?? '') ?? {});
      if (typeof chat['apiKey'] === 'string') chat['apiKey'] = `${chat['apiKey'].slice(0, 5)}XXXXXX...`;
      return { body: chat };
    },
  ],
  [
    'PATCH',
    /^\/chats\/([^/]+)\/settings$/,
    ({ match, body }) => {
      const chat = { ...(state.chats.get(match[1] ?? '') ?? {}), ...(body() as Record<string, unknown>) };
      state.chats.set(match[1] ?? '', chat);
      return { body: chat };
    },
  ],
];
