import { HttpError, type Instance, indexNamed, page, type Route } from './meilisearch-routes.ts';
import { newIndex, now, type StoredIndex } from './meilisearch-state.ts';

const shownIndex = ({ uid, createdAt, updatedAt, primaryKey }: StoredIndex) => ({ uid, createdAt, updatedAt, primaryKey });

const redactedSettings = (settings: Record<string, unknown>, features: Record<string, unknown>): Record<string, unknown> => {
  const copy = structuredClone(settings);
  if (features['foreignKeys'] !== true) delete copy['foreignKeys'];
  if (features['chatCompletions'] !== true) delete copy['chat'];
  for (const embedder of Object.values((copy['embedders'] ?? {}) as Record<string, Record<string, unknown>>))
    if (typeof embedder['apiKey'] === 'string') embedder['apiKey'] = `${embedder['apiKey'].slice(0, 5)}XXXXXX...`;
  return copy;
};

/** An embedder is changed in part. */
const mergedEmbedders = (before: unknown, change: unknown): { embedders?: unknown } => {
  if (change === undefined || change === null) return {};
  const merged = { ...(before as Record<string, object>) };
  for (const [name, part] of Object.entries(change as Record<string, object>)) merged[name] = { ...merged[name], ...part };
  return { embedders: merged };
};

export const indexRoutes = ({ state, enqueue }: Instance): readonly Route[] => [
  [
    'GET',
    /^\/stats$/,
    () => {
      const size = (index: StoredIndex) =>
        [...index.documents.values()].reduce((sum, document) => sum + JSON.stringify(document).length, 0);
      const indexes = [...state.indexes.values()].map((index) => [
        index.uid,
        {
          numberOfDocuments: index.documents.size,
          rawDocumentDbSize: size(index),
          avgDocumentSize: index.documents.size === 0 ? 0 : Math.floor(size(index) / index.documents.size / 1.3),
          isIndexing: false,
          numberOfEmbeddings: 0,
          numberOfEmbeddedDocuments: 0,
          fieldDistribution: {},
        },
      ]);
      return { body: { databaseSize: 1000, usedDatabaseSize: 1000, lastUpdate: null, indexes: Object.fromEntries(indexes) } };
    },
  ],
  [
    'GET',
    /^\/indexes$/,
    ({ query }) => ({
      body: page(
        [...state.indexes.values()].map(shownIndex).sort((a, b) => (a.uid < b.uid ? -1 : 1)),
        query,
      ),
    }),
  ],
  [
    'POST',
    /^\/indexes$/,
    ({ body }) => {
      const { uid, primaryKey = null } = body() as { uid: string; primaryKey?: string | null };
      return enqueue('indexCreation', uid, { primaryKey }, () => {
        if (state.indexes.has(uid)) throw new HttpError(400, 'index_already_exists', `Index \`${uid}\` already exists.`);
        newIndex(state, uid, primaryKey);
      });
    },
  ],
  ['GET', /^\/indexes\/([^/]+)$/, ({ match }) => ({ body: shownIndex(indexNamed(state, match[1] ?? '')) })],
  [
    'DELETE',
    /^\/indexes\/([^/]+)$/,
    ({ match }) =>
      enqueue('indexDeletion', match[1] ?? '', null, () => {
        indexNamed(state, match[1] ?? '');
        state.indexes.delete(match[1] ?? '');
      }),
  ],
  [
    'GET',
    /^\/indexes\/([^/]+)\/settings$/,
    ({ match }) => ({ body: redactedSettings(indexNamed(state, match[1] ?? '').settings, state.features) }),
  ],
  [
    'PATCH',
    /^\/indexes\/([^/]+)\/settings$/,
    ({ match, body }) => {
      const settings = body() as Record<string, unknown>;
      return enqueue('settingsUpdate', match[1] ?? '', settings, () => {
        const index = indexNamed(state, match[1] ?? '');
        Object.assign(index.settings, settings, mergedEmbedders(index.settings['embedders'], settings['embedders']));
        index.updatedAt = now();
      });
    },
  ],
];
