import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, constants, link, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fileStore } from '../../src/stores/file.ts';
import { walk } from '../../src/stores/file-list.ts';
import { TEMPORARY_FOLDER } from '../../src/stores/keys.ts';
import { bytes, codeOf, keysOf, noise, readWhole, streamed, testStore } from './suite.ts';

const run = promisify(execFile);

let folder: string;
let made = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-file-store-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const freshRoot = (): string => join(folder, String(made++), 'store');

/** What a process left behind, or is writing. */
const temporaries = async (root: string): Promise<string[]> =>
  (await readdir(join(root, TEMPORARY_FOLDER))).filter((name) => name.endsWith('.tmp'));

describe('file store', () => {
  testStore(async () => fileStore(freshRoot()));

  describe('the folder', () => {
    it('is made by the first create', async () => {
      const root = freshRoot();
      const store = fileStore(root);
      expect(await codeOf(() => readWhole(store, 'lifeboat.json'))).toBe('NoSuchStore');
      expect(await store.head('lifeboat.json')).toBeUndefined();
      expect(await keysOf(store)).toEqual([]);
      await store.delete('lifeboat.json');
      await expect(access(root)).rejects.toThrow('ENOENT');
      await store.create('lifeboat.json', bytes('{}'));
      expect(await keysOf(store)).toEqual(['lifeboat.json']);
      expect(store.url).toBe(`file://${root}`);
    });

    it('cannot be a file', async () => {
      const root = freshRoot();
      await mkdir(join(root, '..'), { recursive: true });
      await writeFile(root, 'x');
      const store = fileStore(root);
      expect(await codeOf(() => store.create('a', bytes('a')))).toBe('NoSuchStore');
      expect(await codeOf(() => store.create('a/b', bytes('a')))).toBe('NoSuchStore');
      expect(await codeOf(() => readWhole(store, 'a'))).toBe('NoSuchStore');
      expect(await codeOf(() => keysOf(store))).toBe('NoSuchStore');
      expect(await store.head('a')).toBeUndefined();
    });

    it('may be reached through a symbolic link', async () => {
      const root = freshRoot();
      await mkdir(root, { recursive: true });
      await symlink(root, `${root}-link`);
      await fileStore(`${root}-link`).create('a/b', bytes('a'));
      expect(await keysOf(fileStore(root))).toEqual(['a/b']);
      expect(await codeOf(() => readWhole(fileStore(`${root}-link`), 'b'))).toBe('NoSuchObject');
    });

    it('has no empty folders after a delete, and no temporary files', async () => {
      const root = freshRoot();
      const store = fileStore(root);
      await store.create('x/backups/1/segments/0', streamed(noise(1_000_000)));
      await store.create('x/backups/2/manifest.json', bytes('{}'));
      expect(await temporaries(root)).toEqual([]);
      await store.delete('x/backups/1/segments/0');
      expect(await readdir(join(root, 'x/backups'))).toEqual(['2']);
      await store.delete('x/backups/2/manifest.json');
      expect(await readdir(root)).toEqual([TEMPORARY_FOLDER]);
    });

    it('is written to while others empty it', async () => {
      const store = fileStore(freshRoot());
      const writing = Array.from({ length: 60 }, async (_, n) => {
        await store.create(`deep/er/${n % 3}/object-${n}`, bytes('x'));
        await store.delete(`deep/er/${n % 3}/object-${n}`);
      });
      await Promise.all(writing);
      expect(await keysOf(store)).toEqual([]);
    });

    it('holds objects that nobody else may read and nobody may write', async () => {
      const root = freshRoot();
      await fileStore(root).create('a/secret', bytes('x'));
      expect((await stat(join(root, 'a/secret'))).mode & 0o337).toBe(0);
      expect((await stat(join(root, 'a'))).mode & 0o007).toBe(0);
    });
  });

  describe('symbolic links', () => {
    it('are not followed out of the store, nor inside it', async () => {
      const root = freshRoot();
      const outside = freshRoot();
      await mkdir(outside, { recursive: true });
      await writeFile(join(outside, 'passwd'), 'secret');
      const store = fileStore(root);
      await store.create('real/object', bytes('real'));
      await symlink(outside, join(root, 'escape'));
      await symlink(join(outside, 'passwd'), join(root, 'passwd'));
      await symlink(join(root, 'real'), join(root, 'inside'));
      await symlink(join(outside, 'nowhere'), join(root, 'dangling'));
      for (const key of ['escape/new', 'inside/new', 'dangling/new', 'dangling', 'passwd']) {
        expect(await codeOf(() => store.create(key, bytes('x'))), key).toBe('StoreKeyInvalid');
        expect(await codeOf(() => store.replace(key, bytes('x'), null)), key).toBe('StoreKeyInvalid');
      }
      for (const key of ['escape/passwd', 'inside/object', 'passwd'])
        expect(await codeOf(() => readWhole(store, key)), key).toBe('StoreKeyInvalid');
      for (const key of ['escape/passwd', 'inside/object']) {
        expect(await codeOf(() => store.head(key)), key).toBe('StoreKeyInvalid');
        expect(await codeOf(() => store.delete(key)), key).toBe('StoreKeyInvalid');
      }
      expect(await codeOf(() => keysOf(store, 'escape/'))).toBe('StoreKeyInvalid');
      expect(await store.head('passwd')).toBeUndefined();
      expect(await keysOf(store)).toEqual(['real/object']);
      expect(await readdir(outside)).toEqual(['passwd']);
    });
  });

  describe('keys that are also folders', () => {
    it('are refused by name', async () => {
      const store = fileStore(freshRoot());
      await store.create('a/b', bytes('x'));
      expect(await codeOf(() => store.create('a', bytes('x')))).toBe('StoreKeyInvalid');
      expect(await codeOf(() => store.create('a/b/c', bytes('x')))).toBe('StoreKeyInvalid');
      expect(await codeOf(() => readWhole(store, 'a'))).toBe('NoSuchObject');
      expect(await codeOf(() => readWhole(store, 'a/b/c'))).toBe('NoSuchObject');
      await store.delete('a');
      expect(await keysOf(store)).toEqual(['a/b']);
    });
  });

  describe('listing', () => {
    it('reads a large folder again for each batch of names', async () => {
      const root = freshRoot();
      const store = fileStore(root);
      const keys = Array.from({ length: 100 }, (_, n) => `d/${n % 7}${n % 2 === 0 ? '/' : '-'}${n}`);
      for (const key of keys) await store.create(key, bytes('x'));
      const listed: string[] = [];
      for await (const { key } of walk(root, '', { prefix: '', after: '', batch: 3 })) listed.push(key);
      expect(listed).toEqual(keys.toSorted());
    });

    it('ignores what is no object', async () => {
      const root = freshRoot();
      const store = fileStore(root);
      await store.create('a/object', bytes('x'));
      await writeFile(join(root, 'a', 'ümlaut'), 'x');
      await run('mkfifo', [join(root, 'a', 'pipe')]);
      expect(await keysOf(store)).toEqual(['a/object']);
      expect(await codeOf(() => readWhole(store, 'a/pipe'))).toBe('NoSuchObject');
    });
  });

  describe('a disk of its own', async () => {
    const small = await smallDisk();

    it.skipIf(small === undefined)(
      `fails with StoreFull and keeps nothing${small === undefined ? ' (skipped: this user may not mount a tmpfs)' : ''}`,
      async () => {
        const root = join(small ?? '', 'store');
        const store = fileStore(root);
        await store.create('fits', noise(100_000));
        expect(await codeOf(() => store.create('too/large', noise(4_000_000)))).toBe('StoreFull');
        expect(await codeOf(() => store.create('too/large', streamed(noise(4_000_000))))).toBe('StoreFull');
        expect(await keysOf(store)).toEqual(['fits']);
        expect(await temporaries(root)).toEqual([]);
        expect(await store.create('fits/not', bytes('x')).catch((error: Error) => error.name)).toBe('StoreKeyInvalid');
        expect(await store.create('small', noise(100_000))).toEqual({ created: true });
        expect((await readWhole(store, 'fits')).equals(noise(100_000))).toBe(true);
      },
    );

    it.skipIf(small === undefined)('under a folder of the store is told as a mistake of configuration', async () => {
      const root = freshRoot();
      const store = fileStore(root);
      await store.create('here', bytes('x'));
      await mkdir(join(root, 'mounted'));
      await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'lifeboat', join(root, 'mounted')]);
      try {
        expect(await codeOf(() => store.create('mounted/there', bytes('x')))).toBe('ConfigInvalid');
        expect(await keysOf(store)).toEqual(['here']);
      } finally {
        await run('umount', [join(root, 'mounted')]);
      }
    });

    // Another way to the same end that needs no mount: the kernel refuses a file over the limit.
    it('fails with StoreFull over the limit of a file size', async () => {
      const root = freshRoot();
      const script = `
        const { fileStore } = await import(${JSON.stringify(new URL('../../src/stores/file.ts', import.meta.url).href)});
        process.on('SIGXFSZ', () => {});
        const store = fileStore(${JSON.stringify(root)});
        console.log(await store.create('large', Buffer.alloc(3e6)).catch((error) => error.name));
      `;
      const { stdout } = await run('/bin/sh', ['-c', 'ulimit -f 1000; exec "$0" --input-type=module -e "$1"', process.execPath, script]);
      expect(stdout).toBe('StoreFull\n');
      expect(await temporaries(root)).toEqual([]);
      expect(await keysOf(fileStore(root))).toEqual([]);
    });

    afterAll(async () => {
      if (small === undefined) return;
      await run('umount', [small]);
      await rm(small, { recursive: true });
    });
  });

  describe('a folder that may not be written to', () => {
    it('fails with StoreDenied', async () => {
      const root = freshRoot();
      await fileStore(root).create('there/already', bytes('x'));
      await chmod(join(root, TEMPORARY_FOLDER), 0o555);
      try {
        // Root may write anywhere; another user tells.
        const isRoot = process.getuid?.() === 0;
        const code = isRoot ? await asNobody(root) : await codeOf(() => fileStore(root).create('new', bytes('x')));
        expect(code).toBe('StoreDenied');
      } finally {
        await chmod(join(root, TEMPORARY_FOLDER), 0o755);
      }
      expect(await keysOf(fileStore(root))).toEqual(['there/already']);
    });
  });

  describe('a killed process', () => {
    const children: ChildProcess[] = [];
    afterEach(() => {
      for (const child of children.splice(0)) child.kill('SIGKILL');
    });

    const start = (script: string, ...args: string[]): ChildProcess => {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'children', script), ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.push(child);
      return child;
    };

    it('leaves nothing that is listed, and what it leaves is swept', async () => {
      const root = freshRoot();
      const child = start('write-and-wait.ts', root);
      if (child.stdout === null) throw new Error('no pipe');
      await once(child.stdout, 'data');
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      const left = await temporaries(root);
      expect(left).toHaveLength(1);
      expect((await readFile(join(root, TEMPORARY_FOLDER, left[0] ?? ''))).length).toBe(100_000);
      expect(await keysOf(fileStore(root))).toEqual([]);
      expect(await fileStore(root).head('catalog/segment')).toBeUndefined();

      // A young one may belong to a process that lives.
      await fileStore(root).create('catalog/other', bytes('x'));
      expect(await temporaries(root)).toEqual(left);
      const old = new Date(Date.now() - 2 * 60 * 60 * 1000);
      await utimes(join(root, TEMPORARY_FOLDER, left[0] ?? ''), old, old);
      expect(await fileStore(root).create('catalog/segment', bytes('x'))).toEqual({ created: true });
      expect(await temporaries(root)).toEqual([]);
    });

    it('does not keep the lock', async () => {
      const root = freshRoot();
      const store = fileStore(root);
      await store.replace('counter', bytes('0'), null);
      const child = start('count.ts', root, '1000000');
      const exited = once(child, 'exit');
      while ((await readWhole(store, 'counter')).toString() === '0') await new Promise((resolve) => setTimeout(resolve, 20));
      child.kill('SIGKILL');
      await exited;
      const etag = (await store.head('counter'))?.etag ?? '';
      expect(await store.replace('counter', bytes('done'), etag)).toBeDefined();
    });

    it('and others lose no update to one another', async () => {
      const root = freshRoot();
      const store = fileStore(root);
      await store.replace('counter', bytes('0'), null);
      const counting = [start('count.ts', root, '25'), start('count.ts', root, '25')].map((child) => once(child, 'exit'));
      for (const exit of counting) expect((await exit)[0]).toBe(0);
      expect((await readWhole(store, 'counter')).toString()).toBe('50');
      expect(await temporaries(root)).toEqual([]);
    });
  });

  it('reads a store that was copied from a bucket', async () => {
    const root = freshRoot();
    await mkdir(join(root, 'a'), { recursive: true });
    await writeFile(join(root, 'a/large'), noise(3_000_000));
    await writeFile(join(root, 'a/small'), 'x');
    const store = fileStore(root);
    expect((await readWhole(store, 'a/large', { versionId: 'of the bucket' })).equals(noise(3_000_000))).toBe(true);
    expect(await keysOf(store)).toEqual(['a/large', 'a/small']);
    await store.delete('a/small');
    expect(await keysOf(store)).toEqual(['a/large']);
  });

  it('does not take a hard link made by others for its own', async () => {
    const root = freshRoot();
    const store = fileStore(root);
    await store.create('a', bytes('first'));
    await link(join(root, 'a'), join(root, 'b'));
    expect(await store.create('b', bytes('second'))).toEqual({ created: false });
    expect((await readWhole(store, 'b')).toString()).toBe('first');
  });
});

/** A real file system of one megabyte, where this user may mount one. */
async function smallDisk(): Promise<string | undefined> {
  const path = await mkdtemp(join(tmpdir(), 'lifeboat-small-disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'lifeboat', path]);
    await access(path, constants.W_OK);
    return path;
  } catch {
    await rm(path, { recursive: true });
    return undefined;
  }
}

const asNobody = async (root: string): Promise<string> => {
  const script = `
    process.setgid(65534);
    process.setuid(65534);
    const { fileStore } = await import(${JSON.stringify(new URL('../../src/stores/file.ts', import.meta.url).href)});
    console.log(await fileStore(${JSON.stringify(root)}).create('new', Buffer.from('x')).catch((error) => error.name));
  `;
  // The way there must be open to that user.
  for (let path = root; path.startsWith(folder); path = join(path, '..')) await chmod(path, 0o755);
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
  return stdout.trim();
};
