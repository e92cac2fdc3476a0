import { describe, expect, it } from 'vitest';
import { dumpOf, ENGINES, emptyEngine, filledEngine, fixture, loadInto, missing, treesOf } from './harness.ts';

const pairs = ENGINES.flatMap((from) => ENGINES.map((to) => [from, to] as const));

describe.each(pairs)('from %s to %s', (from, to) => {
  const reason = missing(from) ?? missing(to);

  it.skipIf(reason !== undefined)(`every name comes back as it was${reason === undefined ? '' : ` (skipped: ${reason})`}`, async () => {
    const before = await dumpOf(await filledEngine(from));
    const target = await emptyEngine(to);
    const loaded = await loadInto(target, before);
    expect(loaded.rows).toBe('106');
    expect(loaded.checks.filter(({ ok }) => !ok)).toEqual([]);
    const after = await dumpOf(target);
    expect(treesOf(after)).toBe(treesOf(before));
    expect(headOf(after)).toEqual({ ...headOf(before), Counters: expect.anything(), Sustained: [] });
    expect(headOf(after)['Counters']).toMatchObject({ usedSpace: 1049391104, usedInodes: 102, nextSession: 0, nextTrash: 1 });
  });
});

const headOf = (dump: string): Record<string, unknown> => JSON.parse(`${dump.slice(0, dump.indexOf('  "FSTree"')).replace(/,\s*$/, '')}}`);

describe('a dump of the real juicefs', () => {
  it('loads whatever the size of the pieces in which it comes', async () => {
    const dump = fixture('redis.json');
    for (const size of [1, 7, 1000]) {
      const target = await emptyEngine('sqlite');
      expect((await loadInto(target, dump, { size })).rows).toBe('106');
      expect(treesOf(await dumpOf(target))).toBe(treesOf(dump.toString()));
    }
  });

  it('of a folder becomes a volume with a trash of its own', async () => {
    const target = await emptyEngine('sqlite');
    await loadInto(target, fixture('redis-subdir-links.json'));
    const dump = await dumpOf(target);
    expect(dump).toContain('"attr": {"inode":1,"type":"directory"');
    expect(dump).toMatch(/"Trash": \{\s+"attr": \{"inode":9223372032828243968,"type":"directory","mode":365,/);
    expect(dump.match(/"inode":7,"type":"regular"[^}]*"nlink":3/g)).toHaveLength(3);
  });

  it('without trash gets one, or nothing could be deleted', async () => {
    const target = await emptyEngine('sqlite');
    await loadInto(target, fixture('redis-skip-trash.json'));
    expect(await dumpOf(target)).toMatch(
      /"Trash": \{\s+"attr": \{"inode":9223372032828243968,"type":"directory","mode":365,"uid":0,"gid":0,"atime":1795226400,/,
    );
  });
});
