import { describe, expect, it } from 'vitest';
import { migrate } from '../../../src/sources/juicefs/migrate.ts';
import { dumpOf, emptyEngine, filledEngine, missing, services, treesOf } from './harness.ts';

const options = { overwrite: false, signal: new AbortController().signal, progress: () => {} };
const reason = missing('redis');

describe('a migration', () => {
  it.skipIf(reason !== undefined)('from Redis proves that every class is equal', async () => {
    const [from, to] = [await filledEngine('redis'), await emptyEngine('sqlite')];
    const done = await migrate({ ...from, keepSecretKey: true }, to, services, options);
    expect(done.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(done.checks.map(({ class: name }) => name)).toEqual(expect.arrayContaining(['entries', 'delfiles', 'quotas', 'setting']));
    expect(done).toMatchObject({ rows: '106', consistency: 'quiesced' });
    expect(treesOf(await dumpOf(to))).toBe(treesOf(await dumpOf(from)));
    expect(await dumpOf({ ...to, keepSecretKey: true })).toMatch(/"SecretKey": "[A-Za-z0-9+/]{40,}=*"/);
  });

  it('says which secrets it left behind, and that the old engine must go offline first', async () => {
    const done = await migrate(await filledEngine('sqlite'), await emptyEngine('postgres'), services, options);
    expect(done.notes.join('\n')).toMatch(/offline[\s\S]*SecretKey/);
    expect(done.consistency).toBe('snapshot');
  });

  it('into its own engine, or one that holds a volume, is refused', async () => {
    const from = await filledEngine('sqlite');
    await expect(migrate(from, from, services, options)).rejects.toMatchObject({ name: 'TargetIsSource' });
    await expect(migrate(from, await filledEngine('postgres'), services, options)).rejects.toMatchObject({ name: 'TargetNotEmpty' });
  });
});
