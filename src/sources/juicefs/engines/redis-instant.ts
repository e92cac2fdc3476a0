import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { type FileHandle, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { PointInTime } from '../../../backup/types.ts';
import { LifeboatError } from '../../../errors.ts';
import type { Services } from '../../contract.ts';
import type { JuicefsAddress } from '../address.ts';
import { copyRdb, type OfRdb } from '../rdb/copy-rdb.ts';
import { openRdbObject } from '../rdb/locate.ts';
import { receiveRdb } from '../rdb/replication.ts';
import { databaseNumberOf, openRedisAt, redisPlaceOf } from './open.ts';
import type { Reader } from './reader.ts';
import { bytesOf, listOfReplies, numberOf, type RedisPlace, type RedisSession } from './redis.ts';
import { watchChanges } from './redis-changes.ts';
import { type KeyCopy, openCopy } from './redis-copy.ts';
import { copyReader } from './redis-copy-reader.ts';
import { redisReader } from './redis-reader.ts';
import { copyByScan } from './redis-scan-copy.ts';

/** How a volume on Redis was read, and what may be said of its instant. */
export interface HowRead {
  /** An RDB that the server sent, or one that lies somewhere; its keys one by one, and again what changed; its tree, live. */
  readonly way: 'replication' | 'file' | 'scan' | 'walk';
  /** Why no better way was taken; null where nobody asked for one. */
  readonly why: string | null;
  readonly consistency: PointInTime['consistency'];
  /** ISO 8601; of a fuzzy reading its beginning. */
  readonly at: string;
  readonly until: string | null;
  /** What moved meanwhile. */
  readonly changes: string;
  /** The RDB's format and server; the place of its instant in the history of the server. */
  readonly rdb: {
    readonly version: number;
    readonly server: string | null;
    readonly replId: string | null;
    readonly offset: string | null;
  } | null;
  /** Keys that were read again because they changed. */
  readonly repaired: number;
}

/** A reader, and how it came to its instant: known only at the end where the source is live. */
export interface RedisInstant {
  readonly reader: Reader;
  /** Whether another session may go on where this one stopped. */
  readonly live: boolean;
  end(): Promise<HowRead>;
}

/** Bytes of the folder for temporary files that an inode takes: the RDB, and the copy of what is in it. */
const BYTES_PER_INODE = 1000;
const SPARE_BYTES = 64 * 1024 * 1024;

/** Opens a volume on Redis, or in an RDB, in the best way that the address and the server allow. Closing the reader ends all of it. */
export const openRedisInstant = async (address: JuicefsAddress, services: Services, signal?: AbortSignal): Promise<RedisInstant> => {
  if (address.engine === 'rdb') return fromFile(address, services, signal, false);
  const session = await openRedisAt(address, services);
  try {
    return await fromServer(address, services, session, signal);
  } catch (error) {
    await session.close();
    throw error;
  }
};

/** Reads what an RDB file says of its volume, and nothing of its trees. */
export const openRdbHead = async (address: JuicefsAddress, services: Services): Promise<Reader> =>
  (await fromFile(address, services, undefined, true)).reader;

const fromServer = async (
  address: JuicefsAddress,
  services: Services,
  session: RedisSession,
  signal: AbortSignal | undefined,
): Promise<RedisInstant> => {
  const place = await redisPlaceOf(address, services);
  if (address.read === 'walk') return walk(session, services, 'read=walk was asked for');
  const room = await lackOfRoom(session, services.temporary);
  if (room !== undefined) {
    if (address.read === 'auto') return walk(session, services, room);
    throw new LifeboatError('SourceProblem', room, { hint: 'Give the temporary folder more room, or take read=walk.' });
  }
  if (address.read === 'scan') return scan(session, place, services, 'read=scan was asked for', signal);
  try {
    return await replicate(session, place, services, signal);
  } catch (error) {
    if (address.read === 'replication' || !mayFallBack(error)) throw error;
    return scan(session, place, services, error.message, signal);
  }
};

/** A login or a server that is gone fails the other ways, too. */
const mayFallBack = (error: unknown): error is LifeboatError =>
  error instanceof LifeboatError && error.code !== 'ConnectionRefused' && error.code !== 'LoginFailed';

/** All that a server has comes, of all its databases; only this volume is copied. */
const lackOfRoom = async (session: RedisSession, folder: string): Promise<string | undefined> => {
  mkdirSync(folder, { recursive: true });
  const { bavail, bsize } = await statfs(folder);
  const inodes = Number(numberOf(await session.call('GET', `${session.prefix}totalInodes`)));
  const needed = inodes * BYTES_PER_INODE + SPARE_BYTES;
  const free = bavail * bsize;
  return free >= needed ? undefined : `${folder} has ${free} bytes of room, and a copy of ${inodes} inodes needs about ${needed}`;
};

const walk = async (session: RedisSession, services: Services, why: string): Promise<RedisInstant> => {
  const at = services.now().toISOString();
  const watch = await watchChanges(session);
  return {
    reader: await redisReader(session),
    live: true,
    async end() {
      const changes = await watch.end();
      const until = services.now().toISOString();
      return { way: 'walk', why, consistency: changes === 'none' ? 'quiesced' : 'fuzzy', at, until, changes, rdb: null, repaired: 0 };
    },
  };
};

/** A name of this process's own among the temporary files. */
const temporaryName = (services: Services, suffix: string): string => {
  mkdirSync(services.temporary, { recursive: true });
  return join(services.temporary, `lifeboat-redis-${randomBytes(6).toString('hex')}.${suffix}`);
};

/** A file without a name: it goes with its process, however that ends. */
const openSpool = async (services: Services): Promise<FileHandle> => {
  const path = temporaryName(services, 'rdb');
  const file = await open(path, 'wx+', 0o600);
  await rm(path);
  return file;
};

/** Fills a new copy; it is gone when that fails. */
const filled = async <Result>(
  services: Services,
  fill: (copy: KeyCopy) => Promise<Result>,
): Promise<{ readonly copy: KeyCopy; readonly result: Result }> => {
  const copy = openCopy(temporaryName(services, 'db'));
  try {
    return { copy, result: await fill(copy) };
  } catch (error) {
    copy.close();
    throw error;
  }
};

const scan = async (
  session: RedisSession,
  place: RedisPlace,
  services: Services,
  why: string,
  signal: AbortSignal | undefined,
): Promise<RedisInstant> => {
  const began = services.now().toISOString();
  const { copy, result } = await filled(services, (into) => copyByScan(session, place, into, { now: services.now, signal }));
  await session.close();
  const { quiesced, changes, repaired } = result;
  const ended = result.at.toISOString();
  const how: HowRead = {
    way: 'scan',
    why,
    consistency: quiesced ? 'quiesced' : 'fuzzy',
    at: quiesced ? ended : began,
    until: quiesced ? null : ended,
    changes,
    rdb: null,
    repaired,
  };
  return { reader: await copyReader(copy), live: false, end: async () => how };
};

const replicate = async (
  session: RedisSession,
  place: RedisPlace,
  services: Services,
  signal: AbortSignal | undefined,
): Promise<RedisInstant> => {
  const file = await openSpool(services);
  try {
    const diskless = !(await savesAnyway(session));
    const received = await receiveRdb({ place, file, diskless, signal });
    const instant = await fromRdb(file, place, services, signal, {
      way: 'replication',
      replId: received.replId ?? null,
      offset: received.offset ?? null,
    });
    await session.close();
    return instant;
  } finally {
    await file.close();
  }
};

/**
 * A server that saves to its disk now and then does so for us at once; another one sends without a file, after it has waited some
 * seconds for more replicas (repl-diskless-sync-delay).
 */
const savesAnyway = async (session: RedisSession): Promise<boolean> => {
  const [, points] = listOfReplies(await session.call('CONFIG', 'GET', 'save').catch(() => null));
  return (bytesOf(points)?.length ?? 0) > 0;
};

const fromFile = async (
  address: JuicefsAddress,
  services: Services,
  signal: AbortSignal | undefined,
  headOnly: boolean,
): Promise<RedisInstant> => {
  const place = { database: databaseNumberOf(address), prefix: address.keyPrefix ?? '', headOnly };
  const how = { way: 'file', replId: null, offset: null } as const;
  const located = await openRdbObject(address, services);
  const file = located.path === undefined ? await openSpool(services) : await open(located.path, 'r');
  try {
    if (located.path === undefined)
      for await (const bytes of located.bytes()) {
        signal?.throwIfAborted();
        await file.appendFile(bytes);
      }
    return await fromRdb(file, place, services, signal, how);
  } finally {
    await file.close();
  }
};

const fromRdb = async (
  file: FileHandle,
  place: OfRdb,
  services: Services,
  signal: AbortSignal | undefined,
  { way, replId, offset }: { readonly way: 'replication' | 'file'; readonly replId: string | null; readonly offset: string | null },
): Promise<RedisInstant> => {
  // A cluster has one database; its number is part of the prefix.
  const of = { ...place, database: place.prefix === '' ? place.database : 0 };
  const { copy, result } = await filled(services, (into) => copyRdb(file.fd, of, into, signal));
  const how: HowRead = {
    way,
    why: null,
    consistency: 'snapshot',
    at: (result.at ?? services.now()).toISOString(),
    until: null,
    changes: 'none',
    rdb: { version: result.version, server: result.server ?? null, replId, offset },
    repaired: 0,
  };
  return { reader: await copyReader(copy), live: false, end: async () => how };
};
