/** Real engines for the tests of JuiceFS, filled with the volumes that the real juicefs made. */
import { copyFileSync, mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { loadDigest } from '../../../src/backup/digest.ts';
import type { Loaded, Services } from '../../../src/sources/contract.ts';
import { addressFromUrl, type JuicefsAddress } from '../../../src/sources/juicefs/address.ts';
import { streamDump } from '../../../src/sources/juicefs/read/stream.ts';
import { withReader } from '../../../src/sources/juicefs/reading.ts';
import { juicefsTarget } from '../../../src/sources/juicefs/target.ts';
import { type MariadbServer, mariadbMissing, sql, startMariadb } from '../../support/mariadb.ts';
import { freshDatabase, query } from '../../support/postgres.ts';
import { type RedisServer, redisMissing, startRedis } from '../../support/redis.ts';

export const FIXTURES = join(import.meta.dirname, '../../fixtures/juicefs');
export const fixture = (name: string): Buffer => readFileSync(join(FIXTURES, name));

export type EngineName = 'sqlite' | 'postgres' | 'mysql' | 'redis';
export const ENGINES: readonly EngineName[] = ['sqlite', 'postgres', 'mysql', 'redis'];

export const temporary = mkdtempSync(join(tmpdir(), 'lifeboat-juicefs-'));
export const services: Services = {
  secret: async () => {
    throw new Error('no secrets in these tests');
  },
  now: () => new Date('2026-11-21T02:00:00Z'),
  temporary,
};

/** Why an engine cannot be tested here; undefined when it can. */
export const missing = (engine: EngineName): string | undefined =>
  engine === 'redis' ? redisMissing() : engine === 'mysql' ? mariadbMissing() : undefined;

let redis: Promise<RedisServer> | undefined;
let mariadb: Promise<MariadbServer> | undefined;
let count = 0;
const databases: { drop(): Promise<void> }[] = [];

export const redisServer = (): Promise<RedisServer> => (redis ??= startRedis());
export const mariadbServer = (): Promise<MariadbServer> => (mariadb ??= startMariadb());

afterAll(async () => {
  await (await redis)?.stop();
  await (await mariadb)?.stop();
  for (const database of databases) await database.drop();
  await rm(temporary, { recursive: true, force: true });
});

/** An engine without a volume. */
export const emptyEngine = async (engine: EngineName): Promise<JuicefsAddress> => {
  count += 1;
  switch (engine) {
    case 'sqlite':
      return addressOf(`juicefs+sqlite3://${temporary}/volume-${count}.db`);
    case 'postgres': {
      const database = await freshDatabase('juicefs');
      databases.push(database);
      return addressOf(`juicefs+${database.url}`);
    }
    case 'mysql': {
      const server = await mariadbServer();
      await sql(server.url, `CREATE DATABASE juicefs_${count}`);
      return addressOf(`juicefs+${server.url}/juicefs_${count}`);
    }
    case 'redis':
      return addressOf(`juicefs+redis://127.0.0.1:${(await redisServer()).port}/${count}`);
  }
};

/** An engine with the volume that the real juicefs made in it. */
export const filledEngine = async (engine: EngineName): Promise<JuicefsAddress> => {
  const address = await emptyEngine(engine);
  if (engine === 'sqlite') copyFileSync(join(FIXTURES, 'state/sqlite.db'), address.path ?? '');
  if (engine === 'postgres')
    await query(
      urlOf(address),
      fixture('state/postgres.sql')
        .toString()
        .replaceAll(/^\\(un)?restrict .*$/gm, ''),
    );
  if (engine === 'mysql') await sql(urlOf(address), fixture('state/mysql.sql').toString());
  if (engine === 'redis') await (await redisServer()).load(Number(address.database), fixture('state/redis.resp'));
  return address;
};

export const addressOf = (url: string): JuicefsAddress => addressFromUrl(new URL(url));

/** Without `juicefs+`, for a client of the engine. */
export const urlOf = ({ engine, host, port, database, user, inlinePassword }: JuicefsAddress): string =>
  `${engine}://${user ?? ''}${inlinePassword === undefined ? '' : `:${inlinePassword}`}@${host}:${port}/${database}`;

/** The dump of an engine as one text. */
export const dumpOf = async (address: JuicefsAddress): Promise<string> => {
  const factory = await loadDigest();
  return withReader(address, services, undefined, async (reader) =>
    Buffer.concat(await Array.fromAsync(streamDump(address, reader, factory).bytes)).toString('utf8'),
  );
};

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export const loadInto = (
  address: JuicefsAddress,
  dump: string | Uint8Array,
  options: { readonly overwrite?: boolean; readonly size?: number } = {},
): Promise<Loaded> =>
  juicefsTarget(address, services).loadArtifact(chunks(Buffer.from(dump), options.size ?? 4096), {
    overwrite: options.overwrite ?? false,
    signal: new AbortController().signal,
    progress: () => {},
  });

/** The real juicefs loses a valid U+FFFD: it writes a third of it. Ours is whole, and read by it. */
export const asJuicefsWrites = (dump: string): string => dump.replaceAll('%EF%BF%BD', '%EF');

/** From the trees on: what a load keeps as it is. */
export const treesOf = (dump: string): string => dump.slice(dump.indexOf('  "FSTree"'));
