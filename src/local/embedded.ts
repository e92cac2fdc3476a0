import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../environment/environment.ts';
import { startPostgresServer } from './postgres-server.ts';

/** What an environment's `password: env:…` of the embedded server refers to; set in this process once the server runs. */
export const EMBEDDED_PASSWORD = 'LIFEBOAT_EMBEDDED_PASSWORD';

const PASSWORD_BYTES = 24;

/** Starts the servers that an environment embeds; answers how to stop them. */
export const startEmbedded = async (environment: Environment): Promise<() => Promise<void>> => {
  const { embedded } = environment;
  if (embedded === undefined) return async () => {};
  const { port, folder } = embedded.postgres;
  const password = await passwordIn(folder);
  const server = await startPostgresServer({ port, dataDir: join(folder, 'data'), password });
  process.env[EMBEDDED_PASSWORD] = password;
  return () => server.stop();
};

/** Made with the cluster, readable to its owner alone: other users of the machine can reach the port. */
const passwordIn = async (folder: string): Promise<string> => {
  const path = join(folder, 'password');
  await mkdir(folder, { recursive: true });
  const made = randomBytes(PASSWORD_BYTES).toString('base64url');
  await writeFile(path, `${made}\n`, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return (await readFile(path, 'utf8')).trim();
};
