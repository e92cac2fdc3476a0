import { execFileSync } from 'node:child_process';
import { chmod, cp, lstat, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { packageFolder, postgresBinaries } from '../../src/local/postgres-binaries.ts';
import { nobodyOf, unprivilegedUser } from '../../src/local/system-user.ts';

const user = unprivilegedUser();

describe('postgresBinaries', () => {
  it('makes the links that npm could not install, though many do it at once', async () => {
    const folder = await packageWithoutLinks();
    const found = await Promise.all(Array.from({ length: 8 }, () => postgresBinaries(user, folder)));
    expect(new Set(found.map((binaries) => binaries.postgres))).toEqual(new Set([join(folder, 'native/bin/postgres')]));
    expect((await lstat(join(folder, 'native/lib/libpq.so.5'))).isSymbolicLink()).toBe(true);
  });

  it('copies a package that the user cannot enter, once, though many do it at once', async () => {
    const folder = await packageWithoutLinks();
    const cache = await temporary();
    vi.stubEnv('TMPDIR', cache);
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    await hide(folder);

    const found = await Promise.all(Array.from({ length: 4 }, () => postgresBinaries(user, folder)));
    const [first] = found;
    expect(new Set(found.map((binaries) => binaries.postgres)).size).toBe(1);
    expect(first?.postgres.startsWith(cache)).toBe(true);
    expect(execFileSync(first?.postgres ?? '', ['--version'], { ...user.ids, encoding: 'utf8' })).toContain('PostgreSQL');
    expect(await readdir(cache)).toHaveLength(1);
  });

  it('says why it does not run, and what to do', async () => {
    const folder = await packageWithoutLinks();
    await writeFile(join(folder, 'native/bin/postgres'), '#!/bin/sh\necho "wrong libc" >&2; exit 127\n');
    vi.stubEnv('TMPDIR', await temporary());
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    await expect(postgresBinaries(user, folder)).rejects.toMatchObject({
      code: 'Unsupported',
      message: expect.stringContaining('wrong libc'),
      hint: expect.stringContaining('URL'),
    });
  });

  it('names a platform that npm has nothing for', () => {
    expect(() => packageFolder('plan9', 'mips')).toThrow(/no embedded PostgreSQL for plan9 mips/);
  });
});

describe('nobodyOf', () => {
  it('reads the ids of nobody', () => {
    expect(nobodyOf('root:x:0:0::/root:/bin/sh\nnobody:*:99:98:Nobody:/:/sbin/nologin\n')).toEqual({ uid: 99, gid: 98 });
  });

  it('falls back on the ids that Linux uses', () => {
    expect(nobodyOf('root:x:0:0::/root:/bin/sh\nnot-nobody:x:1:1::/:/bin/sh\n')).toEqual({ uid: 65_534, gid: 65_534 });
  });
});

/** As after `npm ci --ignore-scripts`. */
async function packageWithoutLinks(): Promise<string> {
  const folder = await temporary();
  await cp(packageFolder(), folder, {
    recursive: true,
    verbatimSymlinks: true,
    filter: async (path) => !(await lstat(path)).isSymbolicLink(),
  });
  await chmod(folder, 0o755);
  return folder;
}

/** Root may write everywhere, but nobody cannot enter; whoever is not root cannot write. */
async function hide(folder: string): Promise<void> {
  if (process.getuid?.() === 0) return chmod(folder, 0o700);
  const lib = join(folder, 'native/lib');
  await chmod(lib, 0o555);
  onTestFinished(() => chmod(lib, 0o755));
}

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lifeboat-test-'));
  await chmod(folder, 0o755);
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
