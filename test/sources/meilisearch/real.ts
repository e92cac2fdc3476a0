import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InstanceAddress } from '../../../src/sources/meilisearch/address.ts';
import { enqueue } from '../../../src/sources/meilisearch/api.ts';
import { type Client, withClient } from '../../../src/sources/meilisearch/client.ts';
import { placeAt } from '../../../src/sources/meilisearch/folder/place.ts';
import { findProgram } from '../../../src/sources/meilisearch/folder/program.ts';
import { instanceOf, startServer, stopServer, untilReady } from '../../../src/sources/meilisearch/folder/server.ts';
import { mustEnd } from '../../../src/sources/meilisearch/marker.ts';
import { forever, MASTER_KEY, services } from './harness.ts';

/** A real Meilisearch in a folder of its own. */
export interface RealServer {
  readonly address: InstanceAddress;
  readonly dumpDirectory: string;
  readonly database: string;
  use<Result>(work: (client: Client) => Promise<Result>): Promise<Result>;
  /** Stops it; its folder stays until `remove`. */
  stop(): Promise<void>;
  remove(): Promise<void>;
}

export const startReal = async (binary: string, dump?: Buffer, masterKey: string = MASTER_KEY): Promise<RealServer> => {
  const root = mkdtempSync(join(tmpdir(), 'lifeboat-real-meili-'));
  const place = placeAt(join(root, 'data.ms'));
  const path = join(root, 'given.dump');
  if (dump !== undefined) writeFileSync(path, dump);
  const program = await findProgram({ folder: root, binary, mode: 'api', wholeIndexes: false });
  const server = await startServer({ place, program, masterKey, ...(dump === undefined ? {} : { importDump: path }) });
  try {
    await untilReady(place, server, [], forever);
  } catch (error) {
    rmSync(root, { recursive: true, force: true });
    throw error;
  }
  const address = instanceOf(server, masterKey);
  return {
    address,
    dumpDirectory: join(place.beside, 'dumps'),
    database: place.database,
    use: (work) => withClient(address, services, undefined, work),
    stop: () => stopServer(place, server),
    remove: async () => {
      await stopServer(place, server);
      rmSync(root, { recursive: true, force: true });
    },
  };
};

const EXACT =
  '{"t":"wonderful \\" } ] \\\\ h\u00e9llo","n":{"b":1,"a":[1.50,-0.0,9007199254740993,18446744073709551615,{},[]]},"isbn":"a-1"}';

const words = ['harbour', 'lantern', 'meadow', 'granite', 'thunder', 'velvet', 'compass', 'orchard', 'saffron', 'glacier'];

export const filmLines = (many: number): string[] =>
  Array.from(
    { length: many },
    (_, n) =>
      `{"title":"film ${n} ${words[n % 10]}${words[(n >> 3) % 10]}","id":${n},"year":${1900 + (n % 120)},"rating":${n % 100}.0,"tags":["${words[n % 10]}"]}`,
  );

/** Something of everything that an instance can hold. */
export const seedReal = (client: Client): Promise<void> => {
  const ended = async (...tasks: Promise<number>[]): Promise<void> => mustEnd(client, await Promise.all(tasks), forever);
  const lines = (uid: string, text: string) =>
    enqueue(client, 'POST', `/indexes/${uid}/documents`, { body: { bytes: Buffer.from(text), type: 'application/x-ndjson' } });
  const settings = (uid: string, json: object) => enqueue(client, 'PATCH', `/indexes/${uid}/settings`, { json });
  const index = (uid: string, primaryKey: string | null) => enqueue(client, 'POST', '/indexes', { json: { uid, primaryKey } });
  return (async () => {
    await client.request('PATCH', '/experimental-features', {
      json: { network: true, chatCompletions: true, containsFilter: true, dynamicSearchRules: true },
    });
    await ended(index('films', 'id'), index('empty', null), index('books', 'isbn'), index('vectors', 'id'));
    await ended(
      settings('films', {
        filterableAttributes: ['year', 'tags'],
        sortableAttributes: ['year'],
        stopWords: ['the'],
        synonyms: { film: ['movie'] },
        rankingRules: ['words', 'sort', 'typo'],
      }),
      settings('vectors', {
        embedders: {
          mine: { source: 'userProvided', dimensions: 3 },
          far: {
            source: 'rest',
            url: 'http://127.0.0.1:1/x',
            apiKey: 'sk-embedder-secret-0123456789',
            dimensions: 2,
            request: { input: '{{text}}' },
            response: { data: '{{embedding}}' },
          },
        },
      }),
    );
    await ended(
      lines('films', filmLines(2500).join('\n')),
      lines('books', `${EXACT}\n{"isbn":"a-2","t":"another order"}`),
      lines(
        'vectors',
        '{"id":1,"t":"one","_vectors":{"mine":[0.1,0.2,0.3],"far":{"embeddings":[1,2],"regenerate":false}}}\n' +
          '{"id":2,"t":"two","_vectors":{"mine":{"embeddings":[[1,2,3],[4,5,6]],"regenerate":false},"far":{"embeddings":[3,4],"regenerate":true}}}\n' +
          '{"id":3,"t":"three","_vectors":{"mine":null,"far":[5,6]}}',
      ),
    );
    for (const key of [
      { name: 'scoped', description: 'd', actions: ['search', 'documents.add'], indexes: ['films'], expiresAt: null },
      { name: 'ends', actions: ['*'], indexes: ['*'], expiresAt: '2099-01-01T00:00:00Z' },
    ])
      await client.request('POST', '/keys', { json: key });
    await client.request('PATCH', '/network', {
      json: {
        remotes: { far: { url: 'http://far.example.com', searchApiKey: 'remote-search-secret', writeApiKey: 'remote-write-secret' } },
      },
    });
    // Nobody listens there, and Meilisearch calls no address of a documentation network.
    await client.request('POST', '/webhooks', {
      json: { url: 'http://192.0.2.1/hook', headers: { Authorization: 'Bearer webhook-secret-0123456789', 'X-A': 'plain' } },
    });
    await client.request('PATCH', '/chats/support/settings', {
      json: { source: 'openAi', apiKey: 'sk-chat-secret-0123456789', prompts: { system: 'be nice' } },
    });
    const pin = (id: string) => [{ selector: { indexUid: 'films', id }, action: { type: 'pin', position: 1 } }];
    await ended(
      enqueue(client, 'PATCH', '/dynamic-search-rules/everyone', {
        json: { description: 'd', conditions: { query: { isEmpty: true } }, actions: pin('7') },
      }),
      enqueue(client, 'PATCH', '/dynamic-search-rules/some', { json: { active: false, precedence: 3, actions: pin('9') } }),
    );
  })();
};

/** What an instance answers to whoever looks: documents in their order and byte for byte, settings, keys with values, and the rest. */
export const lookAt = async (client: Client): Promise<Record<string, unknown>> => {
  const json = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> =>
    JSON.parse((await client.request(method, path, body === undefined ? {} : { json: body, reads: true })).bytes.toString('utf8'));
  const indexes = (
    (await json('GET', '/indexes?limit=1000'))['results'] as { uid: string; primaryKey: string | null; createdAt: string }[]
  ).map(({ uid, primaryKey, createdAt }) => ({ uid, primaryKey, createdAt }));
  const found: Record<string, unknown> = { indexes };
  for (const { uid } of indexes) {
    const page = (await client.request('GET', `/indexes/${uid}/documents?limit=10000&retrieveVectors=true`)).bytes;
    found[`documents of ${uid}`] = `${page.length} bytes, ${createHash('sha256').update(page).digest('hex')}`;
    found[`settings of ${uid}`] = await json('GET', `/indexes/${uid}/settings`);
  }
  found['keys'] = (await json('GET', '/keys?limit=1000'))['results'];
  found['features'] = await json('GET', '/experimental-features');
  found['rules'] = ((await json('POST', '/dynamic-search-rules', {}))['results'] as { uid: string }[]).sort((a, b) =>
    a.uid < b.uid ? -1 : 1,
  );
  const { version: _, ...network } = await json('GET', '/network');
  found['network'] = network;
  found['chats'] = await json('GET', '/chats/support/settings');
  found['webhooks'] = (await json('GET', '/webhooks'))['results'];
  return found;
};
