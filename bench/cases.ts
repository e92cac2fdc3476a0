/** The command lines that are measured, and where they put what they write. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresClient } from './postgres-client.ts';

export interface Case {
  readonly name: string;
  readonly command: readonly string[];
  /** File or folder that it writes. */
  readonly output?: string;
}

/** Processes, connections or tasks at the same time, of each tool that has such an option. */
const JOBS = 2;
const ZSTD_SINCE = 16;
const SOURCE = 'bench';
const LIFEBOAT = [process.execPath, join(import.meta.dirname, '../bin/lifeboat.mjs')];

/** The environment of the measured commands: a store of this round's own. @returns the path of its file */
export async function writeEnvironment(url: string, folder: string): Promise<string> {
  const { hostname, port, username, pathname } = new URL(url);
  const source = {
    kind: 'postgres',
    host: hostname,
    port: Number(port),
    user: username,
    database: pathname.slice(1),
    sslmode: 'disable',
    concurrency: JOBS,
  };
  const path = join(folder, 'environment.json');
  await writeFile(path, JSON.stringify({ store: `file://${join(folder, 'store')}`, sources: { [SOURCE]: source } }));
  return path;
}

export function dumpCases(url: string, folder: string, environment: string, native: PostgresClient | undefined): readonly Case[] {
  const lifeboat = [
    { name: 'lifeboat backup', command: [...LIFEBOAT, 'backup', SOURCE, '--env', environment], output: join(folder, 'store') },
    {
      name: 'lifeboat dump',
      command: [...LIFEBOAT, 'dump', url, '--out', join(folder, 'lifeboat.sql.zst')],
      output: join(folder, 'lifeboat.sql.zst'),
    },
  ];
  if (native === undefined) return lifeboat;
  const custom = join(folder, 'custom.dump');
  const directory = join(folder, 'directory.dump');
  const compress = native.version >= ZSTD_SINCE ? ['--compress=zstd:1'] : [];
  const program = join(native.bin, 'pg_dump');
  return [
    ...lifeboat,
    { name: 'pg_dump -Fc', command: [program, '-Fc', '-f', custom, url], output: custom },
    {
      name: ['pg_dump -Fd', `-j${JOBS}`, ...compress].join(' '),
      command: [program, '-Fd', `-j${JOBS}`, ...compress, '-f', directory, url],
      output: directory,
    },
  ];
}

/** Each into the empty database of `target`; they read what the dump cases of the same folder left. */
export function restoreCases(
  target: (name: string) => string,
  folder: string,
  environment: string,
  native: PostgresClient | undefined,
): readonly Case[] {
  const restored = target('by_lifeboat');
  const lifeboat = [
    { name: 'lifeboat restore, audit included', command: [...LIFEBOAT, 'restore', 'latest', '--to', restored, '--env', environment] },
    { name: 'lifeboat audit', command: [...LIFEBOAT, 'restore', 'latest', '--only', 'audit', '--to', restored, '--env', environment] },
    { name: 'lifeboat load', command: [...LIFEBOAT, 'load', target('by_load'), join(folder, 'lifeboat.sql.zst')] },
  ];
  if (native === undefined) return lifeboat;
  const program = join(native.bin, 'pg_restore');
  return [
    ...lifeboat,
    { name: `pg_restore -j${JOBS}`, command: [program, `-j${JOBS}`, '-d', target('by_pg_restore'), join(folder, 'directory.dump')] },
  ];
}
