import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LifeboatError } from '../../src/errors.ts';
import { LATER_ID, lifeboat, putBackup, storeIn, temporaryFolder } from './support.ts';

/** What the two flags of `meilisearch --import-dump` mean to `lifeboat load`. */
describe('load', () => {
  const to = 'meilisearch+http://h:7700';
  let folder: string;
  beforeAll(async () => {
    folder = await temporaryFolder();
    await writeFile(join(folder, 'a.dump'), 'x');
  });
  afterAll(() => rm(folder, { recursive: true }));

  const engine = {
    load: async () => {
      throw new LifeboatError('TargetNotEmpty', 'the target h:7700 is not empty');
    },
  };
  const load = (...argv: string[]) => lifeboat(['load', to, ...argv, '--json'], { cwd: folder, engine });

  it('fails on a missing file, unless that may be', async () => {
    expect((await load('none.dump')).code).toBe(2);
    const { code, json } = await load('none.dump', '--ignore-missing-dump');
    expect({ code, json: json() }).toMatchObject({ code: 0, json: { ok: true, rows: '0', target: to } });
    expect((await load('none.dump', '--ignore-dump-if-db-exists')).code).toBe(2);
  });

  it('fails on a target that holds something, unless that may be', async () => {
    expect((await load('a.dump')).code).toBe(13);
    expect((await load('a.dump', '--ignore-missing-dump')).code).toBe(13);
    const { code, json } = await load('a.dump', '--ignore-dump-if-db-exists');
    expect({ code, json: json() }).toMatchObject({ code: 0, json: { ok: true, rows: '0' } });
  });
});

describe('restore', () => {
  let store: string;
  beforeAll(async () => {
    const root = await temporaryFolder();
    await putBackup(await storeIn(root), { backup: LATER_ID, rows: 1, at: '2026-11-21T01:30:00.000Z' });
    store = `file://${root}`;
  });
  afterAll(() => rm(store.slice('file://'.length), { recursive: true }));

  const engine = {
    restore: async () => {
      throw new LifeboatError('TargetNotEmpty', 'a database already exists at /there');
    },
  };
  const restore = (backup: string, ...argv: string[]) =>
    lifeboat(['restore', backup, '--source', 'catalog', '--to', 'meilisearch+http://h:7700', '--store', store, ...argv, '--json'], {
      engine,
    });

  it('takes the same two flags', async () => {
    const missing = '20200101T000000Z-0000';
    expect((await restore(missing)).code).toBe(10);
    expect((await restore(missing, '--ignore-dump-if-db-exists')).code).toBe(10);
    const { code, json } = await restore(missing, '--ignore-missing-dump');
    expect({ code, json: json() }).toMatchObject({ code: 0, json: { ok: true, skipped: expect.stringContaining(missing) } });
    expect((await restore('latest', '--ignore-missing-dump')).code).toBe(13);
    const there = await restore('latest', '--ignore-dump-if-db-exists');
    expect({ code: there.code, json: there.json() }).toMatchObject({
      code: 0,
      json: { ok: true, skipped: expect.stringContaining('/there') },
    });
  });
});
