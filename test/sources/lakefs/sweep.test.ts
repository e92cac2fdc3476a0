import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { manifestKey } from '../../../src/backup/layout.ts';
import { objectsBelow } from '../../../src/backup/pool.ts';
import { pruneBackups } from '../../../src/backup/prune.ts';
import { sweepPool } from '../../../src/backup/sweep.ts';
import { detailsOf } from '../../../src/sources/lakefs/gathered.ts';
import { proveOffline } from '../../../src/sources/lakefs/offline.ts';
import { commit, type Repository, upload } from '../../support/lakefs-repository.ts';
import { fill, forever, type Harness, openHarness, SOURCE, spent } from './harness.ts';

const WEEKS_MS = 21 * 24 * 60 * 60 * 1000;

let harness: Harness;
let sample: Repository;
beforeEach(async () => {
  harness = await openHarness();
  sample = fill(harness);
});
afterEach(() => harness.close());

const pool = async (): Promise<string[]> => {
  const keys: string[] = [];
  for await (const { key } of harness.store.list(`${SOURCE}/objects/`)) keys.push(key);
  return keys;
};
const sweep = (budget = forever) => sweepPool(harness.runtime, SOURCE, async () => {}, budget);

/** Everything is written anew; what the first backup alone has is garbage once it is gone. */
const replaceAll = (): void => {
  const trunk = sample.branches.get('trunk');
  for (let n = 0; n < 12; n++)
    trunk?.staged.set(`tables/a/part-${String(n).padStart(5, '0')}.csv`, upload(sample, Buffer.from(`new ${n}`)));
  sample.tags.clear();
  sample.branches.clear();
  sample.commits.clear();
  commit(sample, 'trunk', 'a new beginning');
};

describe('the sweep of the pool', () => {
  it('removes what no backup names any more, when it is old enough, and nothing else', async () => {
    const first = await harness.backup();
    const before = await pool();
    if (sample.branches.get('trunk') === undefined) throw new Error('no trunk');
    const only = sample.branches.get('dev');
    only?.staged.set('dev/late.txt', upload(sample, Buffer.from('late')));
    commit(sample, 'dev', 'late');
    const second = await harness.backup();
    const after = await pool();
    await harness.store.delete(manifestKey(SOURCE, second.backup));
    expect(await sweep()).toMatchObject({ objects: 0 });
    harness.skew = WEEKS_MS;
    expect(await sweep()).toMatchObject({ objects: after.length - before.length, done: true });
    expect(await pool()).toEqual(before);
    const { ids, repository, metadataPrefix } = detailsOf(first);
    const proof = await proveOffline({
      objects: objectsBelow(harness.store, `${SOURCE}/objects/`),
      ids,
      defaultBranch: repository.defaultBranch,
      metadataPrefix,
      readBytes: true,
      budget: forever,
    });
    expect(proof.flaws).toEqual([]);
  });

  it('goes on where its time ended', async () => {
    await harness.backup();
    const kept = (await pool()).length;
    for (let n = 0; n < 3; n++) await harness.store.create(`${SOURCE}/objects/data/x/garbage-${n}`, Buffer.from('x'));
    harness.skew = WEEKS_MS;
    let rounds = 0;
    while (!(await sweep(spent)).done) rounds += 1;
    expect(rounds).toBeGreaterThan(1);
    expect((await pool()).length).toBe(kept);
  });

  it('removes nothing when a manifest cannot be read, or when there is none', async () => {
    const first = await harness.backup();
    await harness.backup();
    await harness.store.create(`${SOURCE}/objects/data/x/garbage`, Buffer.from('x'));
    const before = await pool();
    harness.skew = WEEKS_MS;
    await harness.store.delete(manifestKey(SOURCE, first.backup));
    await harness.store.create(manifestKey(SOURCE, first.backup), Buffer.from('{"formatVersion":1'));
    expect(await sweep()).toMatchObject({ objects: 0 });
    for await (const { key } of harness.store.list(`${SOURCE}/backups/`))
      if (key.endsWith('manifest.json')) await harness.store.delete(key);
    expect(await sweep()).toMatchObject({ objects: 0 });
    expect(await pool()).toEqual(before);
  });

  it('runs when a backup is pruned under the lease, and stops when that is lost', async () => {
    await harness.backup();
    replaceAll();
    const last = await harness.backup();
    harness.skew = WEEKS_MS;
    const lost = async (): Promise<void> => {
      throw new Error('the lease is lost');
    };
    await expect(sweepPool(harness.runtime, SOURCE, lost, forever)).rejects.toThrow('the lease is lost');
    const before = (await pool()).length;
    const policy = { last: 1, minimum: 1 };
    expect((await pruneBackups(harness.runtime, { source: SOURCE, policy, timezone: undefined }, forever)).removed).toHaveLength(1);
    expect((await pool()).length).toBe(before);
    expect(await sweep()).toMatchObject({ done: true, objects: expect.any(Number) });
    expect((await pool()).length).toBeLessThan(before);
    const { ids, repository, metadataPrefix } = detailsOf(last);
    const proof = await proveOffline({
      objects: objectsBelow(harness.store, `${SOURCE}/objects/`),
      ids,
      defaultBranch: repository.defaultBranch,
      metadataPrefix,
      readBytes: true,
      budget: forever,
    });
    expect(proof.flaws).toEqual([]);
  });
});
