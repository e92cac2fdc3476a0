import { z } from 'zod';
import { parseJson } from '../../json.ts';
import type { Services } from '../contract.ts';
import type { JuicefsAddress } from './address.ts';
import { openRedisAt, openSql } from './engines/open.ts';
import { bytesOf, pairsOf } from './engines/redis.ts';
import { binary, integer, type SqlSession } from './engines/sql.ts';

/** A client that is connected to a volume, or that died less than some minutes ago. */
export interface Session {
  /** A decimal string. */
  readonly sid: string;
  readonly host: string;
  readonly mountPoint: string;
  readonly process: number | null;
  readonly version: string;
  /** When the others will take it for dead unless it calls again, ISO 8601. */
  readonly expires: string;
}

const InfoSchema = z.object({
  Version: z.string().catch(''),
  HostName: z.string().catch(''),
  MountPoint: z.string().catch(''),
  ProcessID: z.number().nullable().catch(null),
});

/** Who has the volume open now; those whose time is over have gone. Reads of live tables and keys, at no instant. */
export const liveSessions = async (address: JuicefsAddress, services: Services): Promise<readonly Session[]> => {
  if (address.engine === 'rdb') return [];
  const found = address.engine === 'redis' ? await inRedis(address, services) : await inSql(address, services);
  const now = BigInt(Math.floor(services.now().getTime() / 1000));
  return found.filter(({ expire }) => expire > now).map(sessionOf);
};

interface Found {
  readonly sid: bigint;
  /** Unix seconds. */
  readonly expire: bigint;
  readonly info: string;
}

const sessionOf = ({ sid, expire, info }: Found): Session => {
  const { Version, HostName, MountPoint, ProcessID } = InfoSchema.parse(jsonOf(info));
  return {
    sid: String(sid),
    host: HostName,
    mountPoint: MountPoint,
    process: ProcessID,
    version: Version,
    expires: new Date(Number(expire) * 1000).toISOString(),
  };
};

/** Clients of old wrote none. */
const jsonOf = (info: string): unknown => {
  try {
    return parseJson(info === '' ? '{}' : info);
  } catch {
    return {};
  }
};

const inSql = async (address: JuicefsAddress, services: Services): Promise<Found[]> => {
  const session: SqlSession = await openSql(address, services, false);
  try {
    if (!(await session.tables()).has('session2')) return [];
    const rows = await session.rows(`SELECT sid, expire, info FROM ${session.dialect.table('session2')} ORDER BY sid`, 'reading sessions');
    return rows.map((row) => ({ sid: integer(row[0]), expire: integer(row[1]), info: Buffer.from(binary(row[2])).toString('utf8') }));
  } finally {
    await session.close();
  }
};

const inRedis = async (address: JuicefsAddress, services: Services): Promise<Found[]> => {
  const session = await openRedisAt(address, services);
  try {
    const members = pairsOf(await session.call('ZRANGE', `${session.prefix}allSessions`, '0', '-1', 'WITHSCORES'));
    const found: Found[] = [];
    for (const [sid, expire] of members) {
      const info = bytesOf(await session.call('HGET', `${session.prefix}sessionInfos`, sid))?.toString('utf8') ?? '';
      found.push({ sid: BigInt(sid.toString()), expire: BigInt(Math.floor(Number(expire.toString()))), info });
    }
    return found;
  } finally {
    await session.close();
  }
};
