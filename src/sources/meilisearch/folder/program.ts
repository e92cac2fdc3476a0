import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { LifeboatError } from '../../../errors.ts';
import type { FolderAddress } from '../address.ts';

const NAME = 'meilisearch';

/** Long enough for a program that is read from a slow disk, in milliseconds. */
const VERSION_TIMEOUT_MS = 20_000;

/** A `meilisearch` program of this machine. */
export interface Program {
  readonly path: string;
  /** `1.50.0` */
  readonly version: string;
}

const HINT = 'Give its path: "binary" of the target, ?binary=/path in a URL, or MEILISEARCH_BIN.';

/** The one of the address, of MEILISEARCH_BIN, or of the PATH; undefined where there is none. */
export const pathOfProgram = async (address: Pick<FolderAddress, 'binary'>): Promise<string | undefined> => {
  const named = address.binary ?? process.env['MEILISEARCH_BIN'];
  if (named !== undefined && named !== '') return named;
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, NAME);
    if (folder !== '' && (await isExecutable(path))) return path;
  }
  return undefined;
};

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

/** Asks the program for its version. Fails with TargetProblem when there is none, or when it is something else. */
export const findProgram = async (address: FolderAddress): Promise<Program> => {
  const path = await pathOfProgram(address);
  if (path === undefined) throw new LifeboatError('TargetProblem', 'there is no meilisearch program here', { hint: HINT });
  const said = await promisify(execFile)(path, ['--version'], { timeout: VERSION_TIMEOUT_MS, env: {} }).catch(
    (cause: NodeJS.ErrnoException) => {
      throw new LifeboatError('TargetProblem', `cannot run ${path}: ${cause.code ?? cause.message}`, { hint: HINT, cause });
    },
  );
  const version = /^meilisearch\s+v?(\d+\.\d+\.\d+\S*)/.exec(said.stdout)?.[1];
  if (version === undefined) throw new LifeboatError('TargetProblem', `${path} is not meilisearch`, { hint: HINT });
  return { path, version };
};
