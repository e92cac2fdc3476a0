import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { HttpError, type Instance, page, type Route } from './meilisearch-routes.ts';
import { now, type StoredKey } from './meilisearch-state.ts';

/** Refuses as the server does: without a key, with a wrong one, and with one that lacks the right. */
export const authorize = ({ state, masterKey, keyValue }: Instance, request: IncomingMessage, path: string): void => {
  if (path === '/health') return;
  if (masterKey === null) {
    if (path.startsWith('/keys'))
      throw new HttpError(
        401,
        'missing_master_key',
        'Meilisearch is running without a master key. To access this API endpoint, you must have set a master key at launch.',
      );
    return;
  }
  const header = request.headers.authorization;
  if (header === undefined)
    throw new HttpError(
      401,
      'missing_authorization_header',
      'The Authorization header is missing. It must use the bearer authorization method.',
    );
  const given = header.replace(/^Bearer /, '');
  if (given === masterKey) return;
  const key = [...state.keys.values()].find(({ uid }) => keyValue(uid) === given);
  const right = path.startsWith('/keys') ? 'keys.get' : 'documents.get';
  if (key === undefined || !(key.actions.includes('*') || (key.actions.includes(right) && !path.startsWith('/keys'))))
    throw new HttpError(403, 'invalid_api_key', 'The provided API key is invalid.');
};

const shownKey = ({ keyValue }: Instance, key: StoredKey) => ({ key: keyValue(key.uid), ...key });

export const keyRoutes = (instance: Instance): readonly Route[] => [
  [
    'GET',
    /^\/keys$/,
    ({ query }) => ({ body: page([...instance.state.keys.values()].map((key) => shownKey(instance, key)).reverse(), query) }),
  ],
  [
    'POST',
    /^\/keys$/,
    ({ body }) => {
      const given = body() as Partial<StoredKey>;
      if (given.expiresAt === undefined) throw new HttpError(400, 'missing_api_key_expires_at', 'Missing field `expiresAt`');
      if (given.expiresAt !== null && Date.parse(given.expiresAt) <= Date.now())
        throw new HttpError(400, 'invalid_api_key_expires_at', 'Invalid value for `expiresAt`: it is in the past');
      const uid = given.uid ?? randomUUID();
      if (instance.state.keys.has(uid))
        throw new HttpError(409, 'api_key_already_exists', `\`uid\` field value \`${uid}\` is already an existing API key.`);
      if (!given.indexes?.includes('*') && given.actions?.some((action) => /^(version|keys)/.test(action)))
        throw new HttpError(400, 'index_scoped_api_key_with_global_action', 'index scoped key with a global action');
      const key: StoredKey = {
        uid,
        name: given.name ?? null,
        description: given.description ?? null,
        actions: given.actions ?? [],
        indexes: given.indexes ?? [],
        expiresAt: given.expiresAt,
        createdAt: now(),
        updatedAt: now(),
      };
      instance.state.keys.set(uid, key);
      return { status: 201, body: shownKey(instance, key) };
    },
  ],
  [
    'DELETE',
    /^\/keys\/([^/]+)$/,
    ({ match }) => {
      if (!instance.state.keys.delete(match[1] ?? '')) throw new HttpError(404, 'api_key_not_found', 'API key not found.');
      return { status: 204 };
    },
  ],
];
