/** The data folder of an embedded server: where it may lie, who owns it, and how it is made. */
import { execFile } from 'node:child_process';
import { lchown, lstat, mkdir, mkdtemp, readdir, realpath, rm, rmdir, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { LifeboatError } from '../errors.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import type { SystemUser } from './system-user.ts';

const run = promisify(execFile);

/** initdb takes a second; a machine that needs a minute for it is in trouble. */
const INITDB_TIMEOUT_MS = 60_000;

export interface DataFolder {
  readonly path: string;
  /** A throw-away folder, removed by whoever sees the server end. */
  readonly temporary: boolean;
}

/** Sorts the same on every machine and needs no locale installed: PostgreSQL's own C.UTF-8 where it has one. */
const localeOf = (major: number): readonly string[] =>
  major >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'] : ['--locale=C'];

const INITDB_ARGUMENTS = ['--username=postgres', '--encoding=UTF8', '--no-sync'];

/** The folder to give to PostgreSQL, owned by `user` and reachable for them; empty at first. @throws ServerFailed */
export async function dataFolder(wanted: string | undefined, user: SystemUser): Promise<DataFolder> {
  if (wanted === undefined) return { path: await temporaryFolder(user), temporary: true };
  const link = resolve(wanted);
  await removeDanglingLink(link);
  await mkdir(dirname(link), { recursive: true });
  await mkdir(link, { recursive: true, mode: 0o700 });
  const path = await realpath(link);
  await own(path, user);
  if (await isReachable(path, user)) return { path, temporary: false };
  return { path: await keepOutside(link, user), temporary: false };
}

/** Fills an empty data folder; does nothing to one that has a cluster. */
export async function initialise(binaries: PostgresBinaries, path: string, user: SystemUser, password: string | undefined): Promise<void> {
  if ((await unlessMissing(stat(join(path, 'PG_VERSION')))) !== undefined) return;
  const passwordFile = `${path}.password`;
  const login = password === undefined ? ['--auth=trust'] : ['--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  try {
    if (password !== undefined) {
      await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
      await lchown(passwordFile, user.uid, user.gid);
    }
    await run(binaries.initdb, [`--pgdata=${path}`, ...INITDB_ARGUMENTS, ...localeOf(binaries.major), ...login], {
      ...user.ids,
      cwd: '/',
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' },
      timeout: INITDB_TIMEOUT_MS,
    });
  } catch (cause) {
    throw new LifeboatError('ServerFailed', `could not make a PostgreSQL cluster in ${path}: ${outputOf(cause)}`, {
      hint: 'Check that the folder is empty and on a disk with 100 MB free.',
      cause,
    });
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function temporaryFolder(user: SystemUser): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'lifeboat-postgres-data-'));
  await lchown(path, user.uid, user.gid);
  return path;
}

/** Nobody cannot enter root's home: the cluster then lies in the temporary folder, and a link to it where it was wanted. */
async function keepOutside(link: string, user: SystemUser): Promise<string> {
  try {
    await rmdir(link);
  } catch (cause) {
    throw new LifeboatError('ServerFailed', `${link} cannot be reached by uid ${user.uid}, which PostgreSQL runs as`, {
      hint: 'Move the folder out of a home that others cannot enter, or run as another user than root.',
      cause,
    });
  }
  const path = await temporaryFolder(user);
  await symlink(path, link);
  return path;
}

async function removeDanglingLink(path: string): Promise<void> {
  const found = await unlessMissing(lstat(path));
  if (found?.isSymbolicLink() === true && (await unlessMissing(stat(path))) === undefined) await rm(path);
}

/** Root gives the folder to the user who runs the server, but never one that holds something else. */
async function own(path: string, user: SystemUser): Promise<void> {
  if ((await stat(path)).uid === user.uid) return;
  const names = await readdir(path);
  if (names.length > 0 && !names.includes('PG_VERSION')) {
    throw new LifeboatError('ServerFailed', `${path} holds something else than a PostgreSQL cluster`, { hint: 'Name an empty folder.' });
  }
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
    await lchown(join(entry.parentPath, entry.name), user.uid, user.gid);
  }
  await lchown(path, user.uid, user.gid);
}

/** Asked as that user, since modes, ACLs and mounts all have a say. */
async function isReachable(path: string, user: SystemUser): Promise<boolean> {
  try {
    await run('/bin/sh', ['-c', 'cd "$1" && test -w .', 'sh', path], { ...user.ids, cwd: '/' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'number') return false;
    throw error;
  }
}

async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

const outputOf = (error: unknown): string => (error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error));
