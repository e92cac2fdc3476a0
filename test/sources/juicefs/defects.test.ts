/** Defects of the real tool that concern what is in no dump, and whom a copy belongs to. The others are in load.test.ts. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import type { StageContext, TaskContext } from '../../../src/sources/contract.ts';
import { concludeDump, factsOfHead } from '../../../src/sources/juicefs/conclude.ts';
import { withReader } from '../../../src/sources/juicefs/reading.ts';
import { readByJuicefs } from '../../../src/sources/juicefs/vendor/dump.ts';
import { countByFsck } from '../../../src/sources/juicefs/vendor/fsck.ts';
import { dumpOf, ENGINES, emptyEngine, filledEngine, fixture, loadInto, missing, services, temporary } from './harness.ts';

describe('H: what no dump of juicefs has', () => {
  it.each(ENGINES)('is counted in the manifest and said in the guide, and what waits to be deleted still does, from %s', async (engine) => {
    if (missing(engine) !== undefined) return;
    const source = await filledEngine(engine);
    const head = await withReader(source, services, undefined, (reader) => reader.head());
    expect(head.sustained.flatMap(({ inodes }) => inodes)).toHaveLength(2);
    expect(head.delFiles).toHaveLength(1);
    const context = {
      async *receipts() {
        yield { task: 0, part: 0, segments: [], digests: [], facts: { head: factsOfHead(source, head) } };
      },
      instants: async () => [],
    } as unknown as StageContext;
    const { notIncluded, guide } = await concludeDump(context);
    expect(notIncluded).toMatchObject({ 'inodes kept open by sessions': '2', 'chunks of deleted files': '1' });
    expect(guide).toMatch(/chunks of 1 files that waited to be deleted, of 2 inodes that were kept open/);

    const target = await emptyEngine(engine);
    await loadInto(target, await dumpOf(source));
    const loaded = await withReader(target, services, undefined, (reader) => reader.head());
    expect(loaded.delFiles).toEqual(head.delFiles);
    // Their inodes and slices lie in the bucket still, so their ids are not handed out again.
    const lost = [...head.delFiles.map(({ inode }) => inode), ...head.sustained.flatMap(({ inodes }) => inodes)];
    for (const inode of lost) expect(loaded.counters.nextInodes).toBeGreaterThan(inode);
    expect(loaded.counters.nextChunk).toBeGreaterThan(head.counters.nextChunk);
  });
});

describe('J: the copy of a drill', () => {
  const before = process.env['JUICEFS_BIN'];
  afterEach(() => {
    if (before === undefined) delete process.env['JUICEFS_BIN'];
    else process.env['JUICEFS_BIN'] = before;
  });

  it('is never opened as a volume that could change the bucket, and what fsck sees of it has another name and bucket, and no keys', async () => {
    const address = await emptyEngine('sqlite');
    const secrets = '"AccessKey": "AKTEST",\n    "SecretKey": "c2VjcmV0",\n    "EncryptKey": "a2V5",\n    "Shards": 3,';
    const dump = fixture('sqlite.json').toString();
    const kept = dump.replace('"AccessKey": "AKTEST",', secrets).replace(/\n\s+"SecretKey": "removed",/, '');
    expect(kept).toContain('"EncryptKey"');
    await loadInto(address, kept);
    const folder = join(temporary, 'spy');
    mkdirSync(folder);
    const spy = join(folder, 'juicefs');
    // Says what it was called with, and keeps the engine that it was shown.
    writeFileSync(
      spy,
      `#!/bin/sh\necho "$@" >> "${folder}/calls"\nenv >> "${folder}/env"\nfor a in "$@"; do case "$a" in sqlite3://*) cp "\${a#sqlite3://}" "${folder}/$1.db";; esac; done\n`,
    );
    chmodSync(spy, 0o755);
    process.env['JUICEFS_BIN'] = spy;
    const context = { budget: { remaining: () => 60_000, signal: new AbortController().signal } } as unknown as TaskContext;
    await countByFsck(address, services, context);
    await withReader(address, services, undefined, (reader) => readByJuicefs(address, services, reader, context));

    const calls = readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n');
    expect(calls.map((call) => call.split(' ')[0])).toEqual(['fsck', 'dump']);
    expect(calls[0]).not.toContain(address.path);
    expect(calls.join(' ')).not.toMatch(/--(delete|repair|keep-secret-key)/);
    const shown = new DatabaseSync(join(folder, 'fsck.db'));
    const format = String(shown.prepare("SELECT value FROM jfs_setting WHERE name = 'format'").get()?.['value']);
    shown.close();
    const original = /"Bucket": "([^"]+)"/.exec(dump)?.[1] ?? 'none';
    expect(dump).toContain('"Name": "');
    expect(format).toMatch(/"Name": ?"lifeboat-drill"/);
    expect(format).toMatch(/"Storage": ?"file"/);
    expect(format).not.toContain(original);
    expect(format).not.toMatch(/AKTEST|c2VjcmV0|a2V5|Shards/);
    expect(existsSync(address.path ?? '')).toBe(true);
    // The copy of the drill itself keeps both: nobody writes through it.
    expect(await dumpOf(address)).toContain(`"Bucket": "${original}"`);
  });
});
