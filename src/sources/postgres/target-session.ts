import { z } from 'zod';
import type { Budget, Services } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { type Connection, connect } from './connect.ts';
import { targetError } from './target-error.ts';

/** A session that writes to a target. */
export interface TargetSession extends Connection {
  /** Names of the settings that this server knows, in lower case. */
  readonly settings: ReadonlySet<string>;
  readonly tablespaces: ReadonlySet<string>;
  readonly roles: ReadonlySet<string>;
  /** Statements without result; errors are those of a restore. `doing`: `creating index public.t_pkey`. */
  write(sql: string, doing: string): Promise<void>;
}

/** Building an index sorts in this; two sessions of it fit into the smallest RDS instance. In kilobytes. */
const MAINTENANCE_WORK_MEM_KB = 256 * 1024;

// A crash of the target ends the restore anyway; the marker's last transaction waits for the disk again.
const SETTINGS = `
SET synchronous_commit = off; SET lock_timeout = 0; SET client_min_messages = warning; SET row_security = off;
SELECT set_config('maintenance_work_mem', greatest(setting::int, ${MAINTENANCE_WORK_MEM_KB}) || 'kB', false)
  FROM pg_settings WHERE name = 'maintenance_work_mem'`;

const Known = z.object({ settings: z.array(z.string()), tablespaces: z.array(z.string()), roles: z.array(z.string()) });
const KNOWN = `
SELECT ARRAY(SELECT lower(name) FROM pg_settings) AS settings, ARRAY(SELECT spcname::text FROM pg_tablespace) AS tablespaces,
       ARRAY(SELECT rolname::text FROM pg_roles) AS roles`;

export async function openTarget(address: PostgresAddress, services: Pick<Services, 'secret'>): Promise<TargetSession> {
  const connection = await connect(address, services, { otherwise: 'TargetProblem' });
  try {
    await connection.run(SETTINGS, 'setting up the session');
    // A long statement is to end although the function that sent it is gone.
    if (connection.version >= 140_000) await connection.run('SET client_connection_check_interval = 0');
    const [known] = await connection.rows(Known, KNOWN, [], 'asking what the server knows');
    if (known === undefined) throw new Error('a SELECT without FROM has one row');
    const { settings, tablespaces, roles } = known;
    return Object.assign(connection, {
      settings: new Set(settings),
      tablespaces: new Set(tablespaces),
      roles: new Set(roles),
      write: writer(connection),
    });
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

/** One piece of work on a target. The end of the budget drops the connection, and with it an open transaction. */
export async function withTarget<Result>(
  address: PostgresAddress,
  services: Pick<Services, 'secret'>,
  budget: Budget,
  work: (session: TargetSession) => Promise<Result>,
): Promise<Result> {
  budget.signal.throwIfAborted();
  const session = await openTarget(address, services);
  const drop = (): void => session.destroy();
  budget.signal.addEventListener('abort', drop, { once: true });
  let result: Result;
  try {
    result = await work(session);
  } catch (error) {
    session.destroy();
    budget.signal.throwIfAborted();
    throw error;
  } finally {
    budget.signal.removeEventListener('abort', drop);
  }
  await session.close();
  return result;
}

const writer =
  (connection: Connection) =>
  async (sql: string, doing: string): Promise<void> => {
    try {
      await connection.client.query(sql);
    } catch (error) {
      throw targetError(error, connection.address, doing);
    }
  };
