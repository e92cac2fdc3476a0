import type { Claims, Services } from '../../contract.ts';
import type { JuicefsAddress } from '../address.ts';
import { portOf, tablePrefixOf, userOf } from '../address.ts';
import { mysqlDialect, readMysqlTables } from './mysql.ts';
import { passwordOf } from './open.ts';
import type { SqlRow, SqlSession } from './sql.ts';

/** How many connections share the work of a dump, and which of them this is. */
export interface Lane {
  readonly lane: number;
  readonly lanes: number;
}

/** What a lane brings to the barrier. */
export interface LaneRequest extends Lane {
  /** Tables of which all lanes see the same, unquoted. */
  readonly tables: readonly string[];
  /** The same in all lanes of a backup. */
  readonly barrier: string;
  readonly claims: Claims;
  readonly signal: AbortSignal;
}

export interface LaneLogin {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly inlinePassword?: string;
  readonly sslmode: 'disable' | 'prefer' | 'require' | 'verify-full';
}

/** A connection within a transaction whose snapshot is that of all other lanes. */
export interface LaneConnection {
  /** Values as the text protocol has them. */
  rows(sql: string, doing: string): Promise<readonly (readonly (Uint8Array | null)[])[]>;
  /** ISO 8601, the server's clock; of the lane that fixed the instant. */
  readonly at: string | undefined;
  close(): Promise<void>;
}

/**
 * Brings the lanes of one backup to one instant of a MySQL or MariaDB server. The kind `mysql` does it; the registry hands it in, since
 * kinds know nothing of each other.
 */
export type JoinLanes = (login: LaneLogin, services: Pick<Services, 'secret'>, request: LaneRequest) => Promise<LaneConnection>;

export interface LaneSession {
  readonly session: SqlSession;
  readonly at: string | undefined;
}

/** Fails with InstantLost, BarrierTimeout, PermissionDenied. */
export const openLane = async (
  address: JuicefsAddress,
  services: Services,
  join: JoinLanes,
  request: LaneRequest,
): Promise<LaneSession> => {
  const password = await passwordOf(address, services);
  const login = {
    host: address.host,
    port: portOf(address),
    database: address.database,
    user: userOf(address),
    ...(password === undefined ? {} : { inlinePassword: password }),
    sslmode: address.tls,
  };
  const connection = await join(login, services, request);
  const prefix = tablePrefixOf(address);
  const rows = async (sql: string, doing: string): Promise<readonly SqlRow[]> => connection.rows(sql, doing);
  return {
    at: connection.at,
    session: {
      dialect: mysqlDialect(prefix),
      rows,
      run: () => Promise.reject(new Error('a lane changes nothing')),
      insert: () => Promise.reject(new Error('a lane changes nothing')),
      tables: () => readMysqlTables(rows, prefix),
      beginReading: async () => {},
      isTransient: () => false,
      close: () => connection.close(),
    },
  };
};
