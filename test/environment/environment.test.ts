import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { environmentNames, findRoot, loadEnvironment } from '../../src/environment/environment.ts';
import { schemaText } from '../../src/environment/generate.ts';
import { environmentFile, parseEnvironment } from '../../src/environment/parse.ts';

const project = new URL('../..', import.meta.url).pathname.replace(/\/$/, '');

const source = { kind: 'postgres', host: 'db', database: 'catalog', user: 'lifeboat' };
const file = (overrides: object = {}) => ({ store: 'file://./.lifeboat', sources: { catalog: source }, ...overrides });
const parse = (raw: unknown) => parseEnvironment(raw, { name: 'test', root: '/project', path: 'test.json' });

describe('an environment', () => {
  it('resolves its store against the project, and control below the store', () => {
    const environment = parse(file());
    expect(environment.store).toEqual({ url: 'file:///project/.lifeboat' });
    expect(environment.control).toEqual({ url: 'file:///project/.lifeboat/.control' });
    expect(environment.sources['catalog']).toMatchObject({ kind: 'postgres', address: { host: 'db', port: 5432, database: 'catalog' } });
  });

  it('gives control the options of the store, unless it has its own', () => {
    const store = { url: 's3://bucket/prod', endpoint: 'http://127.0.0.1:9000', forcePathStyle: true };
    expect(parse(file({ store })).control).toEqual({ ...store, url: 's3://bucket/prod/.control' });
    expect(parse(file({ store, control: 's3://other' })).control).toEqual({ url: 's3://other' });
  });

  it('separates the address of a source from what all sources share', () => {
    const retention = { last: 3 };
    const { sources } = parse(
      file({ sources: { catalog: { ...source, concurrency: 4, schedule: 'cron(30 1 * * ? *)', timezone: 'Europe/Zurich', retention } } }),
    );
    expect(sources['catalog']).toMatchObject({ concurrency: 4, schedule: 'cron(30 1 * * ? *)', timezone: 'Europe/Zurich', retention });
    expect(sources['catalog']?.address).not.toHaveProperty('concurrency');
  });

  it('makes an address under drill.scratch a target of its own', () => {
    const { sources, targets } = parse(file({ sources: { catalog: { ...source, drill: { scratch: { ...source, host: 'spare' } } } } }));
    expect(sources['catalog']?.drill?.scratch).toBe('catalog-scratch');
    expect(targets['catalog-scratch']).toMatchObject({ kind: 'postgres', address: { host: 'spare' } });
  });

  it('is the same environment after its file form was parsed again', () => {
    const environment = parse(
      file({
        embedded: { postgres: { port: 25432, folder: 'pg' } },
        targets: { spare: { ...source, host: 'spare' } },
        sources: {
          catalog: { ...source, concurrency: 4, drill: { scratch: { ...source, host: 'scratch' } }, restore: { target: 'spare' } },
        },
      }),
    );
    expect(parse(JSON.parse(JSON.stringify(environmentFile(environment))))).toEqual(environment);
  });

  it.each<[string, unknown, RegExp]>([
    [
      'a wrong type',
      file({ sources: { catalog: { ...source, concurrency: 'four' } } }),
      /test\.json: sources\.catalog\.concurrency: expected number/,
    ],
    ['an unknown field of a source', file({ sources: { catalog: { ...source, hots: 'x' } } }), /sources\.catalog\.hots: unknown field/],
    ['an unknown field of the file', file({ sauces: {} }), /test\.json: sauces: unknown field/],
    [
      'a missing field of the address',
      file({ sources: { catalog: { kind: 'postgres', host: 'db', user: 'x' } } }),
      /sources\.catalog\.database: expected string/,
    ],
    ['an unknown kind', file({ sources: { catalog: { kind: 'oracle' } } }), /sources\.catalog: unknown kind of source: oracle/],
    ['no store', { sources: {} }, /test\.json: store: /],
    ['a store that is no URL', file({ store: '/backups' }), /store: expected s3:\/\/bucket\/prefix, file:\/\/\/path/],
    ['a bad source name', file({ sources: { Catalog: source } }), /sources\.Catalog: /],
    [
      'a bad schedule',
      file({ sources: { catalog: { ...source, schedule: '30 1 * * *' } } }),
      /sources\.catalog\.schedule: expected an EventBridge schedule/,
    ],
    [
      'a bad time zone',
      file({ sources: { catalog: { ...source, timezone: 'Mars/Olympus' } } }),
      /sources\.catalog\.timezone: expected an IANA time zone/,
    ],
    [
      'retention that keeps nothing',
      file({ sources: { catalog: { ...source, retention: { last: 0 } } } }),
      /sources\.catalog\.retention: expected at least one/,
    ],
    [
      'a target that is not there',
      file({ sources: { catalog: { ...source, restore: { target: 'spare' } } } }),
      /sources\.catalog\.restore\.target: no target called spare/,
    ],
    [
      'a scratch that is not there',
      file({ sources: { catalog: { ...source, drill: { scratch: 'spare' } } } }),
      /sources\.catalog\.drill\.scratch: no target called spare/,
    ],
    [
      'a bad scratch address',
      file({ sources: { catalog: { ...source, drill: { scratch: { kind: 'postgres', port: 'x' } } } } }),
      /sources\.catalog\.drill\.scratch\.port: /,
    ],
    ['no object', [], /test\.json: the document: expected object/],
  ])('refuses %s by name', (_, raw, message) => {
    expect(() => parse(raw)).toThrow(expect.objectContaining({ code: 'ConfigInvalid', message: expect.stringMatching(message) }));
  });
});

describe('environment files', () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'lifeboat-env-'));
    await mkdir(join(root, 'environments'));
    await mkdir(join(root, 'deep', 'er'), { recursive: true });
    await writeFile(join(root, 'environments', 'prod.json'), JSON.stringify(file()));
    await writeFile(join(root, 'environments', 'broken.json'), '{ "store": ');
    await writeFile(join(root, 'environments', 'schema.json'), '{}');
    await writeFile(join(root, 'alone.json'), JSON.stringify(file()));
  });
  afterAll(() => rm(root, { recursive: true }));

  it('are found by name from any folder of the project', async () => {
    expect(await findRoot(join(root, 'deep', 'er'))).toBe(root);
    expect(await environmentNames(root)).toEqual(['broken', 'prod']);
    const environment = await loadEnvironment('prod', { root });
    expect(environment).toMatchObject({ name: 'prod', root, store: { url: `${pathToFileURL(root).href}/.lifeboat` } });
  });

  it('are found by path; the project is above environments/, or where the file lies', async () => {
    expect((await loadEnvironment('environments/prod.json', { root })).root).toBe(root);
    expect(await loadEnvironment('../alone.json', { root: join(root, 'deep') })).toMatchObject({ name: 'alone', root });
  });

  it('say what there is when a name is unknown', async () => {
    await expect(loadEnvironment('prdo', { root })).rejects.toMatchObject({ code: 'UnknownEnvironment', hint: 'There is broken, prod.' });
    await expect(loadEnvironment('local', { root: join(root, 'deep') })).rejects.toMatchObject({
      hint: expect.stringContaining('lifeboat init'),
    });
  });

  it('are named when they are not JSON', async () => {
    await expect(loadEnvironment('broken', { root })).rejects.toMatchObject({
      code: 'ConfigInvalid',
      message: expect.stringContaining('broken.json is not JSON'),
    });
  });

  it.each(['local', 'example'])('of the project are valid: %s', async (name) => {
    expect(await loadEnvironment(name, { root: project })).toMatchObject({ name, root: project });
  });

  it('have a schema that is current; `node src/environment/generate.ts` writes it', async () => {
    expect(JSON.parse(await readFile(join(project, 'environments', 'schema.json'), 'utf8'))).toEqual(JSON.parse(schemaText()));
  });
});
