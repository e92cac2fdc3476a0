import { describe, expect, it } from 'vitest';
import { metaUrlOf } from '../../../src/sources/juicefs/meta-url.ts';
import { migrate } from '../../../src/sources/juicefs/migrate.ts';
import { dumpOf, ENGINES, emptyEngine, filledEngine, missing, services, treesOf } from './harness.ts';

const options = { overwrite: false, signal: new AbortController().signal, progress: () => {} };
const reason = missing('redis');

describe('a migration', () => {
  it.skipIf(reason !== undefined)('from Redis proves that every class is equal', async () => {
    const [from, to] = [await filledEngine('redis'), await emptyEngine('sqlite')];
    const done = await migrate({ ...from, keepSecretKey: true }, to, services, options);
    expect(done.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(done.checks.map(({ class: name }) => name)).toEqual(expect.arrayContaining(['entries', 'delfiles', 'quotas', 'setting']));
    expect(done).toMatchObject({ rows: '106', consistency: 'snapshot' });
    expect(treesOf(await dumpOf(to))).toBe(treesOf(await dumpOf(from)));
    expect(await dumpOf({ ...to, keepSecretKey: true })).toMatch(/"SecretKey": "[A-Za-z0-9+/]{40,}=*"/);
  });

  it('says which secrets it left behind, and that the old engine must go offline first', async () => {
    const done = await migrate(await filledEngine('sqlite'), await emptyEngine('postgres'), services, options);
    expect(done.notes.join('\n')).toMatch(/offline[\s\S]*SecretKey/);
    expect(done.consistency).toBe('snapshot');
  });

  it.each(ENGINES)('from %s names the clients that are still connected', async (engine) => {
    if (missing(engine) !== undefined) return;
    const from = await filledEngine(engine);
    const then = { ...services, now: () => new Date('2026-11-21T01:32:00Z') };
    const done = await migrate(from, await emptyEngine('sqlite'), then, options);
    expect(done.sessions).toMatchObject([{ host: 'vm', mountPoint: '/mnt/fixture', version: '1.4.1+unknown' }]);
    expect(done.notes[0]).toMatch(/^1 client had the old engine open, .*: \/mnt\/fixture on vm \(process 20\d+\)\.$/);
    expect(done.notes[1]).toContain(`juicefs status ${metaUrlOf(from, services)}`);
    expect((await migrate(from, await emptyEngine('sqlite'), services, options)).sessions).toEqual([]);
  });

  it('into its own engine, or one that holds a volume, is refused', async () => {
    const from = await filledEngine('sqlite');
    await expect(migrate(from, from, services, options)).rejects.toMatchObject({ name: 'TargetIsSource' });
    await expect(migrate(from, await filledEngine('postgres'), services, options)).rejects.toMatchObject({ name: 'TargetNotEmpty' });
  });
});
