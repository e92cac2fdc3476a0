import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LifeboatError } from '../../src/errors.ts';
import { lifeboat, temporaryFolder } from './support.ts';

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
