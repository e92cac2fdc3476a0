import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ID, LATER_ID, lifeboat, putBackup, storeIn, temporaryFolder } from './support.ts';

/** Backups that point at what lies elsewhere: one of them longer than that is kept. */
let folder = '';
let at: readonly string[] = [];
const why = 'blocks of files that were deleted leave the bucket after 1 day';

beforeAll(async () => {
  folder = await temporaryFolder();
  const path = join(folder, 'store');
  await mkdir(path);
  const store = await storeIn(path);
  await putBackup(store, { source: 'files', horizon: { at: '2026-11-21T01:30:00.000Z', why } });
  await putBackup(store, {
    source: 'files',
    backup: LATER_ID,
    at: '2026-11-21T01:30:00.000Z',
    horizon: { at: '2126-11-22T01:30:00.000Z', why },
  });
  at = ['--store', pathToFileURL(path).href];
  await writeFile(
    join(folder, 'env.json'),
    JSON.stringify({ store: at[1], sources: { files: { kind: 'postgres', host: 'h', database: 'd', user: 'u' } } }),
  );
});
afterAll(() => rm(folder, { recursive: true }));

describe('a backup that points at what may be gone', () => {
  it('is told of by list, and only it', async () => {
    const { out, code } = await lifeboat(['list', ...at], { cwd: folder });
    expect(code).toBe(0);
    expect(out).toContain(`1 backup of files up to ${ID} is beyond the horizon: ${why}.`);
    const { json } = await lifeboat(['list', '--json', ...at], { cwd: folder });
    expect(json()).toMatchObject({ backups: [{ horizon: { at: '2026-11-21T01:30:00.000Z', why } }, { horizon: { why } }] });
  });

  it('says so itself', async () => {
    expect((await lifeboat(['show', ID, ...at], { cwd: folder })).out).toContain(`2026-11-21T01:30:00.000Z, passed: ${why}`);
    expect((await lifeboat(['show', LATER_ID, ...at], { cwd: folder })).out).toContain(`2126-11-22T01:30:00.000Z: ${why}`);
  });

  it('is a warning of doctor, and no problem', async () => {
    const facts = { product: 'JuiceFS', version: 'metadata 1', place: 'p', content: 'c', bytes: 1, problems: [] };
    const engine = { inspect: async () => facts };
    const { json, code } = await lifeboat(['doctor', '--env', './env.json', '--json'], { cwd: folder, engine });
    expect(code).toBe(0);
    expect(json()).toMatchObject({
      ok: true,
      findings: expect.arrayContaining([
        expect.objectContaining({
          what: 'source files',
          ok: true,
          state: 'warning',
          message: `1 of 2 backups are beyond the horizon: ${why}`,
        }),
      ]),
    });
    expect((await lifeboat(['doctor', '--env', './env.json'], { cwd: folder, engine })).out).toMatch(
      /^warning +source files: 1 of 2 backups/m,
    );
  });
});
