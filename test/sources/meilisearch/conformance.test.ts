import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { InstanceAddress } from '../../../src/sources/meilisearch/address.ts';
import { enqueue, taskOf } from '../../../src/sources/meilisearch/api.ts';
import { withClient } from '../../../src/sources/meilisearch/client.ts';
import { waitTasks } from '../../../src/sources/meilisearch/wait-tasks.ts';
import { startMeilisearch } from '../../support/meilisearch-server.ts';
import { addressOf, forever, MASTER_KEY, services } from './harness.ts';
import { startReal } from './real.ts';

/** The server of this project and, where LIFEBOAT_TEST_MEILISEARCH is the path of a program, a real one: they must answer alike. */
const binary = process.env['LIFEBOAT_TEST_MEILISEARCH'] ?? '';

interface Started {
  readonly address: InstanceAddress;
  stop(): Promise<void>;
}

const SERVERS: readonly (readonly [name: string, start: () => Promise<Started>])[] = [
  [
    'the server of this project',
    async () => {
      const server = await startMeilisearch();
      return { address: addressOf(server), stop: server.stop };
    },
  ],
  ...(binary.startsWith('/')
    ? [
        [
          'a real Meilisearch',
          async () => {
            const server = await startReal(binary);
            return { address: server.address, stop: server.remove };
          },
        ] as const,
      ]
    : []),
];

const LINES = [
  '{"id":1,"big":9007199254740993,"one":1.0,"minus":-0.0,"text":"a \\" } ] \\\\"}',
  '{"id":2,"n":{"a":[1.5,{}]}}',
  '{"id":3,"huge":18446744073709551615}',
];

describe.each(SERVERS)('%s', { timeout: 60_000 }, (_name, start) => {
  let server: Started;
  beforeAll(async () => {
    server = await start();
    await ended('POST', '/indexes', { json: { uid: 'a', primaryKey: 'id' } });
    await ended('POST', '/indexes/a/documents', {
      body: { bytes: gzipSync(LINES.join('\n')), type: 'application/x-ndjson', encoding: 'gzip' },
    });
  }, 60_000);
  afterAll(() => server.stop());

  const ended = (...request: [string, string, Parameters<typeof enqueue>[3]]) =>
    withClient(server.address, services, undefined, async (client) => {
      const uid = await enqueue(client, ...request);
      await waitTasks(client, [uid], forever).catch(() => {});
      return taskOf(client, uid);
    });
  const ask = async (method: string, path: string, body?: unknown, key: string | null = MASTER_KEY) => {
    const headers = {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': typeof body === 'string' ? 'application/x-ndjson' : 'application/json' }),
    };
    const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const response = await fetch(`${server.address.url}${path}`, { method, headers, ...sent });
    const text = await response.text();
    const json: Record<string, unknown> = text === '' ? {} : JSON.parse(text);
    return { status: response.status, text, json, code: json['code'] };
  };
  const refused = async (status: number, code: string, ...request: Parameters<typeof ask>): Promise<void> => {
    const answer = await ask(...request);
    expect([request, answer.status, answer.code]).toEqual([request, status, code]);
  };

  it('pages documents byte for byte, and adds vectors only when asked', async () => {
    const page = (query: string) => ask('GET', `/indexes/a/documents?${query}`);
    expect((await page('limit=2')).text).toBe(`{"results":[${LINES.slice(0, 2).join(',')}],"offset":0,"limit":2,"total":3}`);
    expect((await page('offset=2&limit=9')).text).toBe(`{"results":[${LINES[2]}],"offset":2,"limit":9,"total":3}`);
    expect((await page('offset=7')).text).toBe('{"results":[],"offset":7,"limit":20,"total":3}');
    expect((await page('offset=2&retrieveVectors=true')).text).toContain(`${LINES[2]?.slice(0, -1)},"_vectors":{}}`);
    await refused(400, 'invalid_document_limit', 'GET', '/indexes/a/documents?limit=-1');
    await refused(404, 'index_not_found', 'GET', '/indexes/none/documents');
    await refused(404, 'document_not_found', 'GET', '/indexes/a/documents/9');
  });

  it('refuses who has no key, a wrong one, or too few rights', async () => {
    await refused(401, 'missing_authorization_header', 'GET', '/indexes', undefined, null);
    await refused(403, 'invalid_api_key', 'GET', '/indexes', undefined, 'wrong');
    expect((await ask('GET', '/health', undefined, null)).json).toEqual({ status: 'available' });
  });

  it('makes keys whose value follows from the master key and the uid', async () => {
    const uid = '192e54ae-32f8-4c61-85f5-eb2b1b255629';
    const key = { uid, name: 'n', description: null, actions: ['search'], indexes: ['a'], expiresAt: null };
    const made = await ask('POST', '/keys', key);
    expect([made.status, made.json['key']]).toEqual([201, createHmac('sha256', MASTER_KEY).update(uid).digest('hex')]);
    expect(Object.keys(made.json).sort()).toEqual(
      ['actions', 'createdAt', 'description', 'expiresAt', 'indexes', 'key', 'name', 'uid', 'updatedAt'].sort(),
    );
    await refused(409, 'api_key_already_exists', 'POST', '/keys', key);
    await refused(400, 'invalid_api_key_expires_at', 'POST', '/keys', { ...key, uid: undefined, expiresAt: '2020-01-01T00:00:00Z' });
    await refused(400, 'index_scoped_api_key_with_global_action', 'POST', '/keys', { ...key, uid: undefined, actions: ['version'] });
    expect((await ask('DELETE', `/keys/${uid}`)).status).toBe(204);
    await refused(404, 'api_key_not_found', 'DELETE', `/keys/${uid}`);
  });

  it('numbers tasks, and says by name why one failed', async () => {
    const { status, json } = await ask('POST', '/indexes', { uid: 'a', primaryKey: 'id' });
    expect([status, Object.keys(json).sort()]).toEqual([202, ['enqueuedAt', 'indexUid', 'status', 'taskUid', 'type']]);
    expect(await ended('POST', '/indexes', { json: { uid: 'a' } })).toMatchObject({
      status: 'failed',
      error: { code: 'index_already_exists' },
    });
    const body = (text: string) => ({ body: { bytes: Buffer.from(text), type: 'application/x-ndjson' } });
    expect(await ended('POST', '/indexes/a/documents', body('{"no":1}'))).toMatchObject({
      status: 'failed',
      error: { code: 'missing_document_id' },
    });
    expect(await ended('POST', '/indexes/a/documents', body('{"id":"bad id!"}'))).toMatchObject({ error: { code: 'invalid_document_id' } });
    await refused(400, 'malformed_payload', 'POST', '/indexes/a/documents', '{"id":');
    await refused(400, 'missing_payload', 'POST', '/indexes/a/documents', '');
    await refused(404, 'task_not_found', 'GET', '/tasks/99999');
  });

  it('hides secrets, and settings whose feature is off', async () => {
    const far = {
      source: 'rest',
      url: 'http://192.0.2.1/x',
      apiKey: 'sk-embedder-secret-0123456789',
      dimensions: 2,
      request: { input: '{{text}}' },
      response: { data: '{{embedding}}' },
    };
    await ended('POST', '/indexes', { json: { uid: 'v', primaryKey: 'id' } });
    expect(await ended('PATCH', '/indexes/v/settings', { json: { embedders: { far } } })).toMatchObject({ status: 'succeeded' });
    const key = () =>
      ask('GET', '/indexes/v/settings').then(({ json }) => (json['embedders'] as { far: { apiKey: string; url: string } }).far);
    expect((await key()).apiKey).toMatch(/^.{0,5}X{3,}\.\.\.$/);
    await ended('PATCH', '/indexes/v/settings', { json: { embedders: { far: { apiKey: 'another' } } } });
    expect((await key()).url).toBe(far.url);
    const settings = (await ask('GET', '/indexes/a/settings')).json;
    expect([settings['foreignKeys'], settings['chat']]).toEqual([undefined, undefined]);
    const { json } = await ask('POST', '/webhooks', {
      url: 'http://192.0.2.1/hook',
      headers: { Authorization: 'Bearer webhook-secret-0123456789', 'X-A': 'plain' },
    });
    const listed = (await ask('GET', '/webhooks')).json['results'];
    expect(listed).toMatchObject([
      {
        uuid: json['uuid'],
        url: 'http://192.0.2.1/hook',
        headers: { Authorization: expect.stringMatching(/X{3,}\.\.\.$/), 'X-A': 'plain' },
      },
    ]);
    expect((await ask('PATCH', `/webhooks/${String(json['uuid'])}`, { headers: { 'X-B': 'c' } })).status).toBe(200);
  });

  it('has rules and a network only while their feature is on', async () => {
    await refused(400, 'feature_not_enabled', 'GET', '/network');
    await refused(400, 'feature_not_enabled', 'POST', '/dynamic-search-rules', {});
    await ask('PATCH', '/experimental-features', { dynamicSearchRules: true, network: true });
    const rule = { description: 'd', actions: [{ selector: { indexUid: 'a', id: '1' }, action: { type: 'pin', position: 1 } }] };
    expect(await ended('PATCH', '/dynamic-search-rules/one', { json: rule })).toMatchObject({ status: 'succeeded', type: 'dsrUpdate' });
    expect((await ask('POST', '/dynamic-search-rules', { limit: 5 })).json).toMatchObject({
      results: [{ uid: 'one', active: true, conditions: {}, lastUpdatedAt: expect.stringContaining('T'), ...rule }],
      total: 1,
    });
    expect((await ask('PATCH', '/network', { remotes: { r: { url: 'http://r', searchApiKey: 's' } } })).status).toBe(200);
    expect((await ask('GET', '/network')).json).toMatchObject({ remotes: { r: { url: 'http://r', searchApiKey: 's' } } });
    await refused(400, 'bad_request', 'PATCH', '/experimental-features', { noSuchFeature: true });
  });
});
