import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadEnvironment } from '../../src/environment/environment.ts';
import { openPool, type Pool } from '../../src/local/pool.ts';
import { type FreshDatabase, freshDatabase, postgresUrl, query } from '../support/postgres.ts';
import { type Cloud, openCloud } from './support.ts';

const findingsOf = (answer: unknown) =>
  z.object({ findings: z.array(z.object({ what: z.string(), ok: z.boolean() })) }).parse(answer).findings;

/** The command line, over HTTP, over the deployed machines, over functions in processes, over a real PostgreSQL. */
let cloud: Cloud;
let pool: Pool;
let database: FreshDatabase;
let scratch: FreshDatabase;

beforeAll(async () => {
  [database, scratch] = [await freshDatabase('aws'), await freshDatabase('aws_target')];
  await query(
    database.url,
    "CREATE TABLE thing (id int PRIMARY KEY, name text); INSERT INTO thing SELECT n, 'thing ' || n FROM generate_series(1, 300) n",
  );
  const url = new URL(postgresUrl());
  const server = { kind: 'postgres', host: url.hostname, port: Number(url.port), user: 'postgres', sslmode: 'disable' };
  cloud = await openCloud({
    source: { ...server, database: database.name },
    targets: { drills: { ...server, database: 'postgres' }, spare: { ...server, database: scratch.name } },
    invoke: (step, payload) => pool.invoke(step, payload),
  });
  pool = await openPool({ environment: await loadEnvironment(cloud.file, { root: cloud.folder }), report: () => {} });
}, 60_000);

afterAll(async () => {
  await pool?.close();
  await cloud?.stop();
  await database?.drop();
  await scratch?.drop();
});

describe('an environment on AWS', () => {
  it('is reached by its probes, which take nothing and change nothing', async () => {
    const seen = await pool.invoke('probe-source', { source: 'catalog' });
    expect(seen).toMatchObject({ facts: { product: 'PostgreSQL', problems: [] } });
    expect(findingsOf(seen).map(({ what, ok }) => [what, ok])).toEqual([
      ['the store, from inside', true],
      ['control, from inside', true],
      ['source catalog', true],
    ]);
    expect(findingsOf(await pool.invoke('probe-target', { source: 'catalog' })).at(-1)).toMatchObject({ what: 'target drills', ok: true });
    expect(await Array.fromAsync(cloud.control.list(''))).toEqual([]);
  }, 60_000);

  it('is backed up, drilled and restored as it is on one machine', async () => {
    const made = await cloud.run(['backup', 'catalog', '--json', '--progress', 'none']);
    expect(made).toMatchObject({ code: 0, err: '' });
    expect(made.json()).toMatchObject({
      already: false,
      rows: '300',
      execution: expect.stringContaining(':execution:prod-catalog-backup:cli-'),
    });

    const drilled = await cloud.run(['drill', 'catalog', '--json', '--backup', String(made.json()['backup'])]);
    expect(drilled.json()).toMatchObject({ verdict: 'PASSED', backup: made.json()['backup'], control: { ok: true } });

    const restored = await cloud.run(['restore', 'latest', '--to', 'spare', '--json']);
    expect(restored.json()).toMatchObject({ ok: true, source: 'catalog', target: expect.stringContaining(scratch.name) });

    expect((await cloud.run(['list', '--json'])).json()).toMatchObject({
      backups: [{ backup: made.json()['backup'], proof: { state: 'PASSED' } }],
    });
    expect((await cloud.run(['verify', 'latest'])).code).toBe(0);
    expect((await cloud.run(['executions', '--json'])).json()).toMatchObject({
      executions: expect.arrayContaining([expect.objectContaining({ machine: 'prod-catalog-drill', status: 'SUCCEEDED' })]),
    });
  }, 120_000);
});
