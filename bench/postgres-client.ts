/** Finds PostgreSQL's own tools on this machine, to be compared with. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface PostgresClient {
  readonly bin: string;
  /** Major version. */
  readonly version: number;
  /** The folder holds a server of that version as well. */
  readonly hasServer: boolean;
}

const PACKAGED = '/usr/lib/postgresql';

/** The newest of LIFEBOAT_PG_BIN, PATH and the distribution's packages; LIFEBOAT_PG_BIN wins when it is set. */
export function newestClient(env: NodeJS.ProcessEnv = process.env): PostgresClient | undefined {
  const named = env['LIFEBOAT_PG_BIN'];
  const folders = named === undefined ? [...(env['PATH'] ?? '').split(delimiter), ...packagedFolders()] : [named];
  return folders
    .flatMap(clientIn)
    .toSorted((a, b) => Number(b.hasServer) - Number(a.hasServer))
    .toSorted((a, b) => b.version - a.version)[0];
}

const packagedFolders = (): readonly string[] =>
  existsSync(PACKAGED) ? readdirSync(PACKAGED).map((version) => join(PACKAGED, version, 'bin')) : [];

function clientIn(bin: string): readonly PostgresClient[] {
  if (!existsSync(join(bin, 'pg_dump')) || !existsSync(join(bin, 'pg_restore'))) return [];
  const text = execFileSync(join(bin, 'pg_dump'), ['--version'], { encoding: 'utf8' });
  const version = Number(/\) (\d+)/.exec(text)?.[1]);
  return [{ bin, version, hasServer: existsSync(join(bin, 'postgres')) && existsSync(join(bin, 'initdb')) }];
}
