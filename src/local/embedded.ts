import { join } from 'node:path';
import type { Environment } from '../environment/environment.ts';
import { startPostgresServer } from './postgres-server.ts';

/** Starts the servers that an environment embeds; answers how to stop them. */
export const startEmbedded = async (environment: Environment): Promise<() => Promise<void>> => {
  const { embedded } = environment;
  if (embedded === undefined) return async () => {};
  const { port, folder } = embedded.postgres;
  const server = await startPostgresServer({ port, dataDir: join(folder, 'data') });
  return () => server.stop();
};
