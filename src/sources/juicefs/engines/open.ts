import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Json } from '../../../backup/types.ts';
import { LifeboatError } from '../../../errors.ts';
import type { Services } from '../../contract.ts';
import { type JuicefsAddress, pathOf, portOf, tablePrefixOf, userOf } from '../address.ts';
import { openMysql } from './mysql.ts';
import { openPostgres, type PostgresSession } from './postgres.ts';
import type { Reader } from './reader.ts';
import { openRedis, type RedisPlace, type RedisSession } from './redis.ts';
import { redisReader } from './redis-reader.ts';
import { redisWriter } from './redis-writer.ts';
import type { SqlSession } from './sql.ts';
import { sqlReader } from './sql-reader.ts';
import { sqlWriter } from './sql-writer.ts';
import { openSqlite } from './sqlite.ts';
import type { Writer } from './writer.ts';

type Use = Pick<Services, 'secret' | 'temporary' | 'now' | 'openObjects'>;

export const passwordOf = (address: JuicefsAddress, services: Use): Promise<string | undefined> =>
  address.password === undefined ? Promise.resolve(address.inlinePassword) : services.secret(address.password);

/** What another session needs to read at the same instant. */
export const TokenSchema = z.object({ snapshot: z.string().optional() });

/** Opens a reader at the instant of a token, or at one of its own. */
export const openReader = async (address: JuicefsAddress, services: Use, token?: Json): Promise<Reader> => {
  if (address.engine === 'redis') return redisReader(await openRedisAt(address, services));
  if (address.engine === 'rdb') return (await (await import('./redis-instant.ts')).openRedisInstant(address, services)).reader;
  const snapshot = TokenSchema.safeParse(token).data?.snapshot;
  const session = await openAt(address, services, snapshot);
  try {
    const tables = await session.tables();
    if (!tables.has('setting') && !tables.has('node')) throw noVolume(address);
    return await sqlReader(session, tables);
  } catch (error) {
    await session.close();
    throw error;
  }
};

/** A session within a transaction that shows one instant. */
const openAt = async (address: JuicefsAddress, services: Use, snapshot: string | undefined): Promise<SqlSession> => {
  if (address.engine === 'postgres') {
    const session = await openPostgresAt(address, services);
    return begun(session, () => session.join(snapshot));
  }
  const session = await openSql(address, services, false);
  return begun(session, () => session.beginReading());
};

const begun = async (session: SqlSession, begin: () => Promise<void>): Promise<SqlSession> => {
  try {
    await begin();
    return session;
  } catch (error) {
    await session.close();
    throw error;
  }
};

const noVolume = ({ engine }: JuicefsAddress): LifeboatError =>
  new LifeboatError('SourceProblem', `the ${engine} database has no JuiceFS volume`, {
    hint: 'Name the database, search_path and table_prefix that the volume was formatted with.',
  });

export const openWriter = async (address: JuicefsAddress, services: Use): Promise<Writer> =>
  address.engine === 'redis' ? redisWriter(await openRedisAt(address, services)) : sqlWriter(await openSql(address, services, true));

export const openSql = async (address: JuicefsAddress, services: Use, create: boolean): Promise<SqlSession> => {
  switch (address.engine) {
    case 'sqlite3': {
      const path = pathOf(address, services.temporary);
      // The folder for temporary files is made; a path that somebody wrote may be a slip.
      if (create && path !== address.path) mkdirSync(dirname(path), { recursive: true });
      return openSqlite({ path, prefix: tablePrefixOf(address), create });
    }
    case 'postgres':
      return openPostgresAt(address, services);
    case 'mysql':
      return openMysqlAt(address, services, address.database);
    case 'redis':
      throw new LifeboatError('Unsupported', 'Redis has no SQL');
    case 'rdb':
      throw new LifeboatError('Unsupported', 'an RDB file is read, never written', {
        hint: 'Load into one of the engines: redis, postgres, mysql or sqlite3.',
      });
  }
};

export const openPostgresAt = async (address: JuicefsAddress, services: Use, database = address.database): Promise<PostgresSession> =>
  openPostgres({
    host: address.host,
    port: portOf(address),
    database,
    user: userOf(address),
    password: await passwordOf(address, services),
    tls: address.tls,
    schema: address.schema,
    prefix: tablePrefixOf(address),
  });

export const openMysqlAt = async (address: JuicefsAddress, services: Use, database: string | undefined): Promise<SqlSession> =>
  openMysql({
    host: address.host,
    port: portOf(address),
    database,
    user: userOf(address),
    password: await passwordOf(address, services),
    tls: address.tls,
    prefix: tablePrefixOf(address),
  });

export const databaseNumberOf = ({ database }: JuicefsAddress): number => {
  const number = Number(database === '' ? '0' : database);
  if (Number.isInteger(number) && number >= 0) return number;
  throw new LifeboatError('ConfigInvalid', `not the number of a Redis database: ${database.slice(0, 40)}`, {
    hint: 'redis://host:6379/1',
  });
};

export const redisPlaceOf = async (address: JuicefsAddress, services: Use): Promise<RedisPlace> => ({
  host: address.host,
  port: portOf(address),
  database: databaseNumberOf(address),
  user: address.user,
  password: await passwordOf(address, services),
  tls: address.tls === 'require' || address.tls === 'verify-full',
  prefix: address.keyPrefix ?? '',
});

export const openRedisAt = async (address: JuicefsAddress, services: Use): Promise<RedisSession> =>
  openRedis(await redisPlaceOf(address, services));

/** Uses what is being opened, and closes it however that ends. */
export const closing = async <Opened extends { close(): Promise<void> }, Result>(
  opening: Promise<Opened>,
  use: (opened: Opened) => Promise<Result>,
): Promise<Result> => {
  const opened = await opening;
  try {
    return await use(opened);
  } finally {
    await opened.close();
  }
};
