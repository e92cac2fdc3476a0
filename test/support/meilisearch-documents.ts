import { gunzipSync, inflateSync } from 'node:zlib';
import { HttpError, type Instance, indexNamed, type Route } from './meilisearch-routes.ts';
import { newIndex, now, parseExact, plain, type State, type StoredIndex } from './meilisearch-state.ts';

const addDocuments = (state: State, uid: string, documents: Record<string, unknown>[], primaryKey: string | null): void => {
  const index = state.indexes.get(uid) ?? newIndex(state, uid, primaryKey);
  index.primaryKey ??= primaryKey ?? Object.keys(documents[0] ?? {}).find((name) => /id$/i.test(name)) ?? null;
  if (index.primaryKey === null) throw new HttpError(400, 'index_primary_key_no_candidate_found', 'The primary key inference failed');
  for (const document of documents) {
    const id = document[index.primaryKey];
    if (id === undefined) throw new HttpError(400, 'missing_document_id', `Document doesn't have a \`${index.primaryKey}\` attribute`);
    const text = String(plain(id));
    if (!/^[A-Za-z0-9_-]{1,511}$/.test(text))
      throw new HttpError(400, 'invalid_document_id', `Document identifier \`${text}\` is invalid.`);
    index.documents.set(text, document);
  }
  index.updatedAt = now();
};

const documentsPage = (index: StoredIndex, { offset, limit, vectors }: { offset: number; limit: number; vectors: boolean }) => {
  const chosen = [...index.documents.values()].slice(offset, offset + limit);
  const results = chosen.map((document) => {
    const { _vectors, ...rest } = document;
    return vectors ? { ...rest, _vectors: _vectors ?? {} } : rest;
  });
  return { results, offset, limit, total: index.documents.size };
};

const search = (index: StoredIndex, body: Record<string, unknown>) => {
  const words = String(body['q'] ?? '')
    .toLowerCase()
    .split(' ');
  const [, field, wanted] = /^"(.*)" = (.*)$/.exec(String(body['filter'] ?? '')) ?? [];
  const texts = (document: Record<string, unknown>) => Object.values(document).filter((value) => typeof value === 'string') as string[];
  let hits = [...index.documents.values()].filter((document) =>
    words.every((word) => word === '' || texts(document).some((text) => text.toLowerCase().includes(word))),
  );
  if (field !== undefined && wanted !== undefined) hits = hits.filter((document) => JSON.stringify(document[field]) === wanted);
  const sort = (body['sort'] as string[] | undefined)?.[0]?.split(':')[0];
  if (sort !== undefined) {
    const value = (document: Record<string, unknown>) => plain(document[sort] ?? null) as string | number;
    hits = hits.toSorted((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0));
  }
  const limit = Number(body['limit'] ?? 20);
  const wantedFields = body['attributesToRetrieve'] as string[];
  return {
    hits: hits.slice(0, limit).map((hit) => Object.fromEntries(Object.entries(hit).filter(([name]) => wantedFields.includes(name)))),
    estimatedTotalHits: hits.length,
  };
};

export const documentRoutes = ({ state, options, enqueue }: Instance): readonly Route[] => [
  [
    'GET',
    /^\/indexes\/([^/]+)\/documents$/,
    ({ match, query }) => {
      const limit = Number(query.get('limit') ?? 20);
      if (!(limit >= 0)) throw new HttpError(400, 'invalid_document_limit', 'Invalid value in parameter `limit`');
      return {
        body: documentsPage(indexNamed(state, match[1] ?? ''), {
          offset: Number(query.get('offset') ?? 0),
          limit,
          vectors: query.get('retrieveVectors') === 'true',
        }),
      };
    },
  ],
  [
    'GET',
    /^\/indexes\/([^/]+)\/documents\/([^/]+)$/,
    ({ match }) => {
      const document = indexNamed(state, match[1] ?? '').documents.get(match[2] ?? '');
      if (document === undefined) throw new HttpError(404, 'document_not_found', `Document \`${match[2]}\` not found.`);
      return { body: document };
    },
  ],
  [
    'POST',
    /^\/indexes\/([^/]+)\/documents$/,
    ({ match, query, raw, headers }) => {
      const encoding = headers['content-encoding'];
      const text = (encoding === 'gzip' ? gunzipSync(raw) : encoding === 'deflate' ? inflateSync(raw) : raw).toString('utf8');
      const limit = options.payloadLimit ?? 100 * 1024 * 1024;
      if (Buffer.byteLength(text) > limit)
        throw new HttpError(
          413,
          'payload_too_large',
          `The provided payload reached the size limit. The maximum accepted payload size is ${limit} bytes.`,
        );
      if (text === '') throw new HttpError(400, 'missing_payload', 'A ndjson payload is missing.');
      let documents: Record<string, unknown>[];
      try {
        documents =
          headers['content-type'] === 'application/x-ndjson'
            ? text
                .split('\n')
                .filter((line) => line.trim() !== '')
                .map((line) => parseExact(line) as Record<string, unknown>)
            : ([parseExact(text)].flat() as Record<string, unknown>[]);
      } catch (error) {
        throw new HttpError(400, 'malformed_payload', `The \`ndjson\` payload provided is malformed. ${String(error)}`);
      }
      const uid = match[1] ?? '';
      return enqueue('documentAdditionOrUpdate', uid, { receivedDocuments: documents.length, indexedDocuments: null }, () =>
        addDocuments(state, uid, documents, query.get('primaryKey')),
      );
    },
  ],
  [
    'PUT',
    /^\/indexes\/([^/]+)\/documents$/,
    ({ match, raw }) =>
      enqueue('documentAdditionOrUpdate', match[1] ?? '', {}, () => {
        const index = indexNamed(state, match[1] ?? '');
        for (const change of parseExact(raw.toString('utf8')) as Record<string, unknown>[])
          addDocuments(state, index.uid, [{ ...index.documents.get(String(plain(change[index.primaryKey ?? '']))), ...change }], null);
      }),
  ],
  [
    'DELETE',
    /^\/indexes\/([^/]+)\/documents\/([^/]+)$/,
    ({ match }) =>
      enqueue('documentDeletion', match[1] ?? '', {}, () => {
        const index = indexNamed(state, match[1] ?? '');
        index.documents.delete(match[2] ?? '');
        index.updatedAt = now();
      }),
  ],
  [
    'POST',
    /^\/indexes\/([^/]+)\/search$/,
    ({ match, body }) => ({ body: search(indexNamed(state, match[1] ?? ''), body() as Record<string, unknown>) }),
  ],
];
