import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addressFromUrl, placeOf, redact } from '../../../src/sources/meilisearch/address.ts';
import { meilisearchSource } from '../../../src/sources/meilisearch/source.ts';
import { type MeilisearchServer, startMeilisearch } from '../../support/meilisearch-server.ts';
import { seedIndex } from '../../support/meilisearch-state.ts';
import { addressOf, MASTER_KEY, services } from './harness.ts';

describe('an address', () => {
  const of = (url: string) => addressFromUrl(new URL(url));

  it('is a URL, with the key or a reference to it', () => {
    expect(of('meilisearch+https://search.example.com')).toMatchObject({ url: 'https://search.example.com', mode: 'api' });
    expect(of('meilisearch+http://:s3cret%2Fkey@h:7700/base/')).toMatchObject({ url: 'http://h:7700/base', inlineApiKey: 's3cret/key' });
    expect(of('meilisearch+http://:env%3AMEILI@h')).toMatchObject({ apiKey: 'env:MEILI' });
    expect(redact(of('meilisearch+http://:s3cret@h:7700'))).toBe('meilisearch+http://h:7700');
    expect(() => of('meilisearch+http://h/?x=1')).toThrow(expect.objectContaining({ code: 'Usage' }));
  });

  it('names one place', () => {
    expect(placeOf(of('meilisearch+http://localhost:7700'))).toBe(placeOf(of('meilisearch+http://127.0.0.1:7700/')));
    expect(placeOf(of('meilisearch+https://h'))).toBe('h:443');
  });
});

describe('an instance that does not answer as it should', () => {
  let server: MeilisearchServer;
  beforeEach(async () => {
    server = await startMeilisearch();
    seedIndex(server, 'a', 'id', ['{"id":1}']);
  });
  afterEach(() => server.stop());

  const inspect = (more: object = {}) => meilisearchSource(addressOf(server, more), services).inspect();

  it('is inspected without a change', async () => {
    expect(await inspect()).toMatchObject({ product: 'Meilisearch', version: '1.50.0', problems: [] });
    expect(server.requests.every(({ method }) => method === 'GET')).toBe(true);
  });

  it.each([
    ['no key', { apiKey: undefined, inlineApiKey: '' }, 'missing_authorization_header'],
    ['a wrong key', { inlineApiKey: 'wrong' }, 'invalid_api_key'],
  ])('with %s it says so by name, and never the key', async (_what, more, name) => {
    await expect(inspect(more)).rejects.toMatchObject({
      code: 'LoginFailed',
      message: expect.stringContaining(name),
      hint: expect.stringContaining('MEILI_MASTER_KEY'),
    });
    await expect(inspect({ inlineApiKey: 'wrong-secret' })).rejects.toMatchObject({ message: expect.not.stringContaining('wrong-secret') });
  });

  it('that is gone is ConnectionRefused, one that cuts is ConnectionLost', async () => {
    server.before = () => 'cut';
    await expect(inspect()).rejects.toMatchObject({ code: 'ConnectionLost', retryable: true });
    await server.stop();
    await expect(inspect()).rejects.toMatchObject({ code: 'ConnectionRefused' });
    server = await startMeilisearch();
  });

  it('that is busy is asked again', async () => {
    let refused = 0;
    server.before = ({ path }) =>
      path === '/stats' && refused++ < 2
        ? { status: 503, body: { message: 'Too many search requests.', code: 'too_many_search_requests', type: 'system', link: '' } }
        : undefined;
    expect((await inspect()).problems).toEqual([]);
    refused = -10;
    await expect(inspect()).rejects.toMatchObject({ code: 'SourceBusy' });
  });

  it('and something else than Meilisearch is not taken for one', async () => {
    server.before = () => ({ status: 200, body: '<html>' });
    await expect(inspect()).rejects.toMatchObject({ code: 'SourceProblem' });
    server.before = () => ({ status: 502, body: 'gateway' });
    await expect(inspect()).rejects.toMatchObject({ code: 'ConnectionLost' });
  });

  it('an old one, a key without rights, and an unfinished restore are problems', async () => {
    await server.stop();
    server = await startMeilisearch({ version: '1.8.4' });
    const [admin] = [...server.state.keys.values()];
    if (admin === undefined) throw new Error('no key');
    admin.actions = ['documents.get'];
    seedIndex(server, 'lifeboat-restore', 'id', []);
    expect((await inspect()).problems.map(({ code }) => code).sort()).toEqual(['UnfinishedRestore', 'VersionUnsupported']);
    server.before = ({ path }) =>
      path === '/keys'
        ? { status: 403, body: { message: 'The provided API key is invalid.', code: 'invalid_api_key', type: 'auth', link: '' } }
        : undefined;
    expect((await inspect()).problems.map(({ code }) => code)).toContain('PermissionDenied');
  });

  it('without a master key it has no keys, and is backed up', async () => {
    await server.stop();
    server = await startMeilisearch({ masterKey: null });
    expect((await inspect()).problems).toEqual([]);
    expect(MASTER_KEY).not.toBe('');
  });
});
