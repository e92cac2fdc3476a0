import { createHmac, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync, inflateSync } from 'node:zlib';
import { DEFAULT_SETTINGS } from './meilisearch-settings.ts';

/** An instance of Meilisearch as far as Lifeboat talks to one; answers as a real 1.50.0 was recorded to. */
export interface MeilisearchServer {
  readonly url: string;
  readonly state: State;
  /** Called before each request; an answer replaces the server's own. */
  before: ((request: Seen) => Fault | undefined | Promise<Fault | undefined>) | undefined;
  readonly requests: Seen[];
  stop(): Promise<void>;
}

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

export type Fault = { readonly status: number; readonly body: unknown } | 'cut';

export interface ServerOptions {
  /** null: the instance runs without one. */
  readonly masterKey?: string | null;
  readonly version?: string;
  /** Bytes, after decompression. */
  readonly payloadLimit?: number;
  /** Milliseconds that a task waits before it runs. */
  readonly taskDelay?: number;
}

export interface State {
  readonly indexes: Map<string, StoredIndex>;
  readonly keys: Map<string, StoredKey>;
  readonly tasks: StoredTask[];
  features: Record<string, unknown>;
  network: Record<string, unknown>;
  readonly webhooks: Map<string, { url: string; headers: Record<string, string> }>;
  readonly chats: Map<string, Record<string, unknown>>;
  /** Makes the next dump: how and where is up to the test. */
  dump: ((uid: string) => Promise<void>) | undefined;
}

export interface StoredIndex {
  uid: string;
  primaryKey: string | null;
  createdAt: string;
  updatedAt: string;
  settings: Record<string, unknown>;
  /** By id; a document is its raw text, members as they came, and its vectors apart. */
  readonly documents: Map<string, Record<string, unknown>>;
}

interface StoredKey {
  uid: string;
  name: string | null;
  description: string | null;
  actions: string[];
  indexes: string[];
  expiresAt: string | null;
  createdAt: string;
  updatedAt: string;
}

interface StoredTask {
  uid: number;
  indexUid: string | null;
  status: string;
  type: string;
  details: Record<string, unknown> | null;
  error: { message: string; code: string; type: string; link: string } | null;
  enqueuedAt: string;
}

class HttpError extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

declare global {
  interface JSON {
    rawJSON(text: string): unknown;
  }
}

/** Keeps the text of numbers, as the server does. */
const parseExact = (text: string): unknown =>
  JSON.parse(text, (_key, value: unknown, ...rest: unknown[]) => {
    const source = (rest[0] as { source?: string } | undefined)?.source;
    return typeof value === 'number' && source !== undefined ? JSON.rawJSON(source) : value;
  });

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const now = (): string =>
  `${new Date().toISOString().slice(0, -1)}${String(Math.floor(Number(process.hrtime.bigint() % 1_000_000n))).padStart(6, '0')}Z`;

export const startMeilisearch = async (options: ServerOptions = {}): Promise<MeilisearchServer> => {
  const masterKey = options.masterKey === undefined ? 'lab-master-key-0123456789abcdef' : options.masterKey;
  const state: State = {
    indexes: new Map(),
    keys: new Map(),
    tasks: [],
    features: { metrics: false, network: false, chatCompletions: false, multimodal: false, containsFilter: false },
    network: { self: null, remotes: {}, shards: {}, leader: null, version: randomUUID() },
    webhooks: new Map(),
    chats: new Map(),
    dump: undefined,
  };
  const keyValue = (uid: string): string =>
    createHmac('sha256', masterKey ?? '')
      .update(uid)
      .digest('hex');
  const shownKey = (key: StoredKey) => ({ key: keyValue(key.uid), ...key });
  if (masterKey !== null) {
    for (const name of ['Default Search API Key', 'Default Admin API Key']) {
      const uid = randomUUID();
      const actions = name.includes('Admin') ? ['*'] : ['search'];
      state.keys.set(uid, { uid, name, description: null, actions, indexes: ['*'], expiresAt: null, createdAt: now(), updatedAt: now() });
    }
  }

  const queue: (() => Promise<void>)[] = [];
  let running = false;
  const drain = async (): Promise<void> => {
    if (running) return;
    running = true;
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      await new Promise((resolve) => setTimeout(resolve, options.taskDelay ?? 1));
      await next();
    }
    running = false;
  };
  const enqueue = (
    type: string,
    indexUid: string | null,
    details: Record<string, unknown> | null,
    work: (task: StoredTask) => void | Promise<void>,
  ) => {
    const task: StoredTask = { uid: state.tasks.length, indexUid, status: 'enqueued', type, details, error: null, enqueuedAt: now() };
    state.tasks.push(task);
    queue.push(async () => {
      task.status = 'processing';
      try {
        await work(task);
        task.status = 'succeeded';
      } catch (error) {
        const code = error instanceof HttpError ? error.code : 'internal';
        task.status = 'failed';
        task.error = {
          message: String((error as Error).message),
          code,
          type: 'internal',
          link: `https://docs.meilisearch.com/errors#${code}`,
        };
      }
    });
    void drain();
    return { status: 202, body: { taskUid: task.uid, indexUid, status: 'enqueued', type, enqueuedAt: task.enqueuedAt } };
  };

  const newIndex = (uid: string, primaryKey: string | null): StoredIndex => {
    const at = now();
    const index: StoredIndex = {
      uid,
      primaryKey,
      createdAt: at,
      updatedAt: at,
      settings: structuredClone(DEFAULT_SETTINGS),
      documents: new Map(),
    };
    state.indexes.set(uid, index);
    return index;
  };
  const indexNamed = (uid: string): StoredIndex => {
    if (!/^[A-Za-z0-9_-]{1,511}$/.test(uid)) throw new HttpError(400, 'invalid_index_uid', `\`${uid}\` is not a valid index uid.`);
    const index = state.indexes.get(uid);
    if (index === undefined) throw new HttpError(404, 'index_not_found', `Index \`${uid}\` not found.`);
    return index;
  };

  const addDocuments = (uid: string, documents: Record<string, unknown>[], primaryKey: string | null): void => {
    const index = state.indexes.get(uid) ?? newIndex(uid, primaryKey);
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

  const page = (items: unknown[], query: URLSearchParams) => {
    const offset = Number(query.get('offset') ?? 0);
    const limit = Number(query.get('limit') ?? 20);
    return { results: items.slice(offset, offset + limit), offset, limit, total: items.length };
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
    const words = String(body['q'] ?? '').toLowerCase();
    const [, field, wanted] = /^"(.*)" = (.*)$/.exec(String(body['filter'] ?? '')) ?? [];
    const texts = (document: Record<string, unknown>) => Object.values(document).filter((value) => typeof value === 'string') as string[];
    let hits = [...index.documents.values()].filter(
      (document) => words === '' || texts(document).some((text) => text.toLowerCase().includes(words)),
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

  const redactedSettings = (settings: Record<string, unknown>): Record<string, unknown> => {
    const copy = structuredClone(settings);
    for (const embedder of Object.values((copy['embedders'] ?? {}) as Record<string, Record<string, unknown>>))
      if (typeof embedder['apiKey'] === 'string') embedder['apiKey'] = `${embedder['apiKey'].slice(0, 5)}XXXXXX...`;
    return copy;
  };

  const authorize = (request: IncomingMessage, path: string): void => {
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

  type Handler = (context: {
    match: RegExpExecArray;
    query: URLSearchParams;
    body: () => unknown;
    raw: Buffer;
    headers: IncomingMessage['headers'];
  }) => { status?: number; body?: unknown };
  const routes: readonly (readonly [string, RegExp, Handler])[] = [
    ['GET', /^\/health$/, () => ({ body: { status: 'available' } })],
    ['GET', /^\/version$/, () => ({ body: { commitSha: 'unknown', commitDate: 'unknown', pkgVersion: options.version ?? '1.50.0' } })],
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
          newIndex(uid, primaryKey);
        });
      },
    ],
    ['GET', /^\/indexes\/([^/]+)$/, ({ match }) => ({ body: shownIndex(indexNamed(match[1] ?? '')) })],
    [
      'DELETE',
      /^\/indexes\/([^/]+)$/,
      ({ match }) =>
        enqueue('indexDeletion', match[1] ?? '', null, () => {
          indexNamed(match[1] ?? '');
          state.indexes.delete(match[1] ?? '');
        }),
    ],
    ['GET', /^\/indexes\/([^/]+)\/settings$/, ({ match }) => ({ body: redactedSettings(indexNamed(match[1] ?? '').settings) })],
    [
      'PATCH',
      /^\/indexes\/([^/]+)\/settings$/,
      ({ match, body }) => {
        const settings = body() as Record<string, unknown>;
        return enqueue('settingsUpdate', match[1] ?? '', settings, () => {
          const index = indexNamed(match[1] ?? '');
          Object.assign(index.settings, settings);
          index.updatedAt = now();
        });
      },
    ],
    [
      'GET',
      /^\/indexes\/([^/]+)\/documents$/,
      ({ match, query }) => {
        const limit = Number(query.get('limit') ?? 20);
        if (!(limit >= 0)) throw new HttpError(400, 'invalid_document_limit', 'Invalid value in parameter `limit`');
        return {
          body: documentsPage(indexNamed(match[1] ?? ''), {
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
        const document = indexNamed(match[1] ?? '').documents.get(match[2] ?? '');
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
          addDocuments(uid, documents, query.get('primaryKey')),
        );
      },
    ],
    [
      'PUT',
      /^\/indexes\/([^/]+)\/documents$/,
      ({ match, raw }) =>
        enqueue('documentAdditionOrUpdate', match[1] ?? '', {}, () => {
          const index = indexNamed(match[1] ?? '');
          for (const change of parseExact(raw.toString('utf8')) as Record<string, unknown>[])
            addDocuments(index.uid, [{ ...index.documents.get(String(plain(change[index.primaryKey ?? '']))), ...change }], null);
        }),
    ],
    [
      'DELETE',
      /^\/indexes\/([^/]+)\/documents\/([^/]+)$/,
      ({ match }) =>
        enqueue('documentDeletion', match[1] ?? '', {}, () => {
          const index = indexNamed(match[1] ?? '');
          index.documents.delete(match[2] ?? '');
          index.updatedAt = now();
        }),
    ],
    [
      'POST',
      /^\/indexes\/([^/]+)\/search$/,
      ({ match, body }) => ({ body: search(indexNamed(match[1] ?? ''), body() as Record<string, unknown>) }),
    ],
    ['GET', /^\/keys$/, ({ query }) => ({ body: page([...state.keys.values()].map(shownKey).reverse(), query) })],
    [
      'POST',
      /^\/keys$/,
      ({ body }) => {
        const given = body() as Partial<StoredKey>;
        if (given.expiresAt === undefined) throw new HttpError(400, 'missing_api_key_expires_at', 'Missing field `expiresAt`');
        if (given.expiresAt !== null && Date.parse(given.expiresAt) <= Date.now())
          throw new HttpError(400, 'invalid_api_key_expires_at', 'Invalid value for `expiresAt`: it is in the past');
        const uid = given.uid ?? randomUUID();
        if (state.keys.has(uid))
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
        state.keys.set(uid, key);
        return { status: 201, body: shownKey(key) };
      },
    ],
    [
      'DELETE',
      /^\/keys\/([^/]+)$/,
      ({ match }) => {
        if (!state.keys.delete(match[1] ?? '')) throw new HttpError(404, 'api_key_not_found', 'API key not found.');
        return { status: 204 };
      },
    ],
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
    ['POST', /^\/dynamic-search-rules$/, () => ({ body: { results: [], offset: 0, limit: 20, total: 0 } })],
    [
      'GET',
      /^\/tasks$/,
      ({ query }) => {
        const statuses = query.get('statuses')?.split(',');
        const uids = query.get('uids')?.split(',').map(Number);
        const found = state.tasks
          .filter((task) => (statuses?.includes(task.status) ?? true) && (uids?.includes(task.uid) ?? true))
          .reverse();
        const limit = Number(query.get('limit') ?? 20);
        return {
          body: {
            results: found.slice(0, limit),
            total: found.length,
            limit,
            from: found[0]?.uid ?? null,
            next: found[limit]?.uid ?? null,
          },
        };
      },
    ],
    [
      'GET',
      /^\/tasks\/(\d+)$/,
      ({ match }) => {
        const task = state.tasks[Number(match[1])];
        if (task === undefined) throw new HttpError(404, 'task_not_found', `Task \`${match[1]}\` not found.`);
        return { body: task };
      },
    ],
    [
      'POST',
      /^\/dumps$/,
      () =>
        enqueue('dumpCreation', null, { dumpUid: null }, async (task) => {
          const uid = `${new Date().toISOString().replace(/[-:T]/g, '').slice(0, 8)}-${String(100_000_000 + task.uid)}`;
          await state.dump?.(uid);
          task.details = { dumpUid: uid };
        }),
    ],
  ];

  const requests: Seen[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://here');
    const seen: Seen = { method: request.method ?? '', path: decodeURIComponent(url.pathname), query: url.searchParams };
    requests.push(seen);
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(body === undefined ? undefined : JSON.stringify(body));
    };
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', async () => {
      try {
        const fault = await handle.before?.(seen);
        if (fault === 'cut') return request.socket.destroy();
        if (fault !== undefined) return answer(fault.status, fault.body);
        authorize(request, seen.path);
        const raw = Buffer.concat(parts);
        for (const [method, pattern, run] of routes) {
          const match = pattern.exec(seen.path);
          if (match === null || method !== seen.method) continue;
          const { status = 200, body } = run({
            match,
            query: seen.query,
            body: () => JSON.parse(raw.toString('utf8')),
            raw,
            headers: request.headers,
          });
          return answer(status, body);
        }
        return response.writeHead(404).end();
      } catch (error) {
        if (!(error instanceof HttpError)) return answer(500, { message: String(error), code: 'internal', type: 'internal', link: '' });
        const type = error.status === 401 || error.status === 403 ? 'auth' : 'invalid_request';
        return answer(error.status, {
          message: error.message,
          code: error.code,
          type,
          link: `https://docs.meilisearch.com/errors#${error.code}`,
        });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const handle: MeilisearchServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    state,
    before: undefined,
    requests,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return handle;
};

const shownIndex = ({ uid, createdAt, updatedAt, primaryKey }: StoredIndex) => ({ uid, createdAt, updatedAt, primaryKey });

/** Puts documents into an index at once, as JSON text: no task, no waiting. */
export const seedIndex = (
  server: MeilisearchServer,
  uid: string,
  primaryKey: string | null,
  lines: readonly string[],
  settings: Record<string, unknown> = {},
): void => {
  const at = now();
  const documents = new Map<string, Record<string, unknown>>();
  for (const line of lines) {
    const document = parseExact(line) as Record<string, unknown>;
    documents.set(String(plain(document[primaryKey ?? 'id'])), document);
  }
  server.state.indexes.set(uid, {
    uid,
    primaryKey,
    createdAt: at,
    updatedAt: at,
    settings: { ...structuredClone(DEFAULT_SETTINGS), ...settings },
    documents,
  });
};

/** Every document of an index as the server prints it, in its order. */
export const documentLines = (server: MeilisearchServer, uid: string): string[] =>
  [...(server.state.indexes.get(uid)?.documents.values() ?? [])].map((document) => JSON.stringify(document));
