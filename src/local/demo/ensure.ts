import { Client } from 'pg';
import { createDatabase } from '../postgres-server.ts';
import { type CatalogueProgress, createCatalogue } from './catalogue.ts';

const NAME = 'openmetadata';
const FILLING = 'openmetadata_filling';

export interface DemoDatabase {
  readonly url: string;
  /** Rows that were made; null when it was there. */
  readonly rows: number | null;
}

/** The demo's database, made on the first call. It gets its name once it is filled, so an interrupted call leaves no half of one. */
export const ensureCatalogue = async (server: string, onProgress: (progress: CatalogueProgress) => void): Promise<DemoDatabase> => {
  const url = new URL(server);
  url.pathname = `/${NAME}`;
  if (await exists(server)) return { url: url.href, rows: null };
  await onServer(server, `DROP DATABASE IF EXISTS ${FILLING} WITH (FORCE)`);
  const { rows } = await createCatalogue(await createDatabase(server, FILLING), { onProgress });
  await onServer(server, `ALTER DATABASE ${FILLING} RENAME TO ${NAME}`);
  return { url: url.href, rows };
};

const exists = async (server: string): Promise<boolean> => {
  const found = await onServer(server, `SELECT FROM pg_catalog.pg_database WHERE datname = '${NAME}'`);
  return found > 0;
};

const onServer = async (server: string, sql: string): Promise<number> => {
  const client = new Client({ connectionString: server });
  await client.connect();
  try {
    return (await client.query(sql)).rowCount ?? 0;
  } finally {
    await client.end();
  }
};
