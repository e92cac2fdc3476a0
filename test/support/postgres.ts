/** Real PostgreSQL for tests. Each test makes the databases that it needs and drops them. */
import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { inject, onTestFinished } from 'vitest';
import { createDatabase, type PostgresServer, type PostgresServerOptions, startPostgresServer } from '../../src/local/postgres-server.ts';

export interface FreshDatabase {
  readonly url: string;
  readonly name: string;
  /** Ends its sessions too. */
  drop(): Promise<void>;
}

/** Superuser `postgres` of the server that all tests share. */
export const postgresUrl = (): string => inject('postgresUrl');

/** An empty database on the shared server. */
export async function freshDatabase(prefix = 'test'): Promise<FreshDatabase> {
  const name = `${prefix}_${randomBytes(6).toString('hex')}`;
  const url = await createDatabase(postgresUrl(), name);
  return { url, name, drop: () => query(postgresUrl(), `DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`) };
}

/** A server that the test may kill; it ends with the test at the latest. Call it inside a test. */
export async function ownServer(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const server = await startPostgresServer({ ...options, settings: { fsync: 'off', ...options.settings } });
  onTestFinished(() => server.stop());
  return server;
}

/** Runs statements on a connection of their own. */
export async function query(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
