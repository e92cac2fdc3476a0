import type { TestProject } from 'vitest/node';
import { startPostgresServer } from '../../src/local/postgres-server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly postgresUrl: string;
  }
}

/** One server for the whole run. Nothing here has to survive a power cut. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgresServer({
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '200', log_min_messages: 'fatal' },
  });
  project.provide('postgresUrl', server.url);
  return () => server.stop();
}
