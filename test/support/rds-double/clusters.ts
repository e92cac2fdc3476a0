/** The databases behind the double: real PostgreSQL clusters, copied as a storage snapshot would be. */
import { randomBytes } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Client, escapeIdentifier, escapeLiteral } from 'pg';
import { type PostgresServer, startPostgresServer } from '../../../src/local/postgres-server.ts';

export const MASTER = 'postgres';

export interface Cluster {
  readonly server: PostgresServer;
  readonly folder: string;
}

/** No slash, no quote, no @, as RDS has it. */
export const newPassword = (): string => randomBytes(18).toString('base64url');

/** Others may pass through it: as root, PostgreSQL runs as nobody. */
export const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'lifeboat-rds-double-'));
  await chmod(folder, 0o755);
  return folder;
};

const SETTINGS = { fsync: 'off', wal_level: 'replica' };

/** With another master user, who may not do everything, and a database, where they are named: as RDS makes them. */
export const makeCluster = async (password: string, user = MASTER, database?: string): Promise<Cluster> => {
  const folder = join(await newFolder(), 'data');
  const server = await startPostgresServer({ dataDir: folder, password, settings: SETTINGS });
  if (user !== MASTER)
    await asMaster(server.port, password, 'postgres', async (client) => {
      const name = escapeIdentifier(user);
      await client.query(`CREATE ROLE ${name} LOGIN CREATEDB CREATEROLE PASSWORD ${escapeLiteral(password)}`);
      await client.query(`GRANT pg_read_all_data, pg_write_all_data, pg_monitor TO ${name} WITH ADMIN OPTION`);
      if (database !== undefined) await client.query(`CREATE DATABASE ${escapeIdentifier(database)} OWNER ${name}`);
    });
  return { folder, server };
};

/** A copy of the folder while the server runs, as of the end of the copy: what a snapshot of its volume recovers to. */
export const copyCluster = async (cluster: Cluster, password: string): Promise<string> => {
  const folder = join(await newFolder(), 'data');
  await mkdir(folder, { mode: 0o700 });
  await asMaster(cluster.server.port, password, 'postgres', async (client) => {
    await client.query(`SELECT pg_backup_start('snapshot', true)`);
    const skipped = new Set(['postmaster.pid', 'postmaster.opts', 'pg_wal']);
    await copyTree(cluster.folder, folder, (path) => !skipped.has(basename(path)));
    const { rows } = await client.query('SELECT labelfile FROM pg_backup_stop(false)');
    await copyTree(join(cluster.folder, 'pg_wal'), join(folder, 'pg_wal'), () => true);
    await writeFile(join(folder, 'backup_label'), String(rows[0]?.labelfile), { mode: 0o600 });
  });
  return folder;
};

/** Files of a running server come and go; a temporary one that vanished is none of the snapshot's. */
const copyTree = async (from: string, to: string, filter: (path: string) => boolean): Promise<void> => {
  await cp(from, to, { recursive: true, preserveTimestamps: true, filter });
};

export const startCopy = async (snapshot: string): Promise<Cluster> => {
  const folder = join(await newFolder(), 'data');
  await mkdir(folder, { mode: 0o700 });
  await cp(snapshot, folder, { recursive: true, preserveTimestamps: true });
  return { folder, server: await startPostgresServer({ dataDir: folder, settings: SETTINGS }) };
};

export const changePassword = (cluster: Cluster, password: string, next: string): Promise<void> =>
  asMaster(cluster.server.port, password, 'postgres', async (client) => {
    await client.query(`ALTER ROLE ${escapeIdentifier(MASTER)} PASSWORD ${escapeLiteral(next)}`);
  });

export const endCluster = async ({ server, folder }: Cluster): Promise<void> => {
  await server.stop();
  await removeFolder(folder);
};

export const removeFolder = (data: string): Promise<void> => rm(join(data, '..'), { recursive: true, force: true });

const asMaster = async (port: number, password: string, database: string, work: (client: Client) => Promise<void>): Promise<void> => {
  const client = new Client({ host: '127.0.0.1', port, user: MASTER, password, database });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
};
