import { HttpError, type Instance, type Route } from './meilisearch-routes.ts';
import { now } from './meilisearch-state.ts';

const refuseWhenOff = ({ state }: Instance): void => {
  if (state.features['dynamicSearchRules'] !== true)
    throw new HttpError(
      400,
      'feature_not_enabled',
      'Calling the `POST /dynamic-search-rules` route requires enabling the `dynamicSearchRules` experimental feature.',
    );
};

/** Dynamic search rules: read at once, changed by tasks. */
export const ruleRoutes = (instance: Instance): readonly Route[] => [
  [
    'POST',
    /^\/dynamic-search-rules$/,
    ({ body }) => {
      refuseWhenOff(instance);
      const { offset = 0, limit = 20 } = body() as { offset?: number; limit?: number };
      const all = [...instance.state.rules.values()].reverse();
      return { body: { results: all.slice(offset, offset + limit), offset, limit, total: all.length } };
    },
  ],
  [
    'PATCH',
    /^\/dynamic-search-rules\/([^/]+)$/,
    ({ match, body }) => {
      refuseWhenOff(instance);
      const uid = match[1] ?? '';
      const change = body() as Record<string, unknown>;
      const unknown = Object.keys(change).find((name) => !['description', 'precedence', 'active', 'conditions', 'actions'].includes(name));
      if (unknown !== undefined) throw new HttpError(400, 'bad_request', `Unknown field \`${unknown}\``);
      return instance.enqueue('dsrUpdate', '.meili_dsr', null, () => {
        const before = instance.state.rules.get(uid) ?? { uid, active: true, conditions: {}, actions: [] };
        instance.state.rules.set(uid, { ...before, ...change, lastUpdatedAt: now() });
      });
    },
  ],
  [
    'DELETE',
    /^\/dynamic-search-rules\/([^/]+)$/,
    ({ match }) => {
      refuseWhenOff(instance);
      return instance.enqueue('dsrUpdate', '.meili_dsr', null, () => {
        instance.state.rules.delete(match[1] ?? '');
      });
    },
  ],
];
