import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { query } from '../support/postgres.ts';
import { smallDisk, whyNoDisk } from '../support/small-disk.ts';
import { backupsIn, before, exitOf, failureOf, leaseOf, run, voyage } from './support.ts';

const diskFor = async (size: string) => {
  const disk = await smallDisk(size);
  onTestFinished(() => disk.remove());
  return disk;
};

/** Random text: what compresses to nothing fills no disk. */
const FILL = `CREATE TABLE noise (id int PRIMARY KEY, text text);
INSERT INTO noise SELECT n, md5(n::text) || md5((n * 7)::text) FROM generate_series(1, 400) n;`;
const GROW = `INSERT INTO noise SELECT n, md5(n::text) || md5((n * 7)::text) || md5((n * 11)::text) FROM generate_series(401, 40000) n;`;

// Other work on the machine may slow all of this down.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

describe(`a store on a disk of its own${whyNoDisk === undefined ? '' : ` (skipped: ${whyNoDisk})`}`, () => {
  it.skipIf(whyNoDisk !== undefined)('that is full in the middle of a dump fails it by name, and keeps what is there', async () => {
    const disk = await diskFor('1m');
    const at = await voyage({ folder: disk.folder, fill: FILL });
    await run(at, 'backup');
    expect(await backupsIn(at)).toBe(1);
    await query(at.database.url, GROW);
    const error = await failureOf(run(at, 'backup'));
    expect(error.code).toBe('StoreFull');
    expect(error.message).toContain(disk.folder);
    expect(error.hint).not.toBe('');
    expect(exitOf(error)).toBe(1);
    expect(await backupsIn(at)).toBe(1);
    await disk.remount('size=64m');
    await run(at, 'backup');
    expect(await backupsIn(at)).toBe(2);
    expect(await leaseOf(at)).toBeUndefined();
  });

  it.skipIf(whyNoDisk !== undefined)('that becomes read-only fails the backup by name', async () => {
    const disk = await diskFor('8m');
    const at = await voyage({ folder: disk.folder });
    const early = await failureOf(disk.remount('ro').then(() => run(at, 'backup')));
    expect(early.code).toBe('StoreDenied');
    expect(early.message).toContain(disk.folder);
    await disk.remount('rw');
    await run(at, 'backup');
    const late = await failureOf(run(at, 'backup', {}, { around: before('dump-task', () => disk.remount('ro')) }));
    expect(late.code).toBe('StoreDenied');
    expect(late.message).toContain(disk.folder);
    expect(late.hint).not.toBe('');
    expect(at.progress).toContainEqual({ type: 'warning', message: expect.stringContaining('could not be written down') });
    expect(await backupsIn(at)).toBe(1);
  });
});

describe('a store that cannot be', () => {
  it('is refused by name where its path goes through a file', async () => {
    const at = await voyage();
    const file = join(at.folder, 'file');
    await writeFile(file, 'not a folder');
    const error = await failureOf(
      (async () => {
        const inside = await voyage({ url: at.database.url, folder: join(file, 'store'), fill: false });
        await run(inside, 'backup');
      })(),
    );
    expect(error.message).toContain(file);
    expect(exitOf(error)).not.toBe(0);
  });
});
