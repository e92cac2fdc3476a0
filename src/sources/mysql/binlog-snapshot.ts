/**
 * MariaDB's way to one instant without any lock. A snapshot there knows the exact position of the binary log that it stands at
 * (`binlog_snapshot_file`, `binlog_snapshot_position`): a commit moves both in one step. So lanes begin their snapshots at the same tick
 * of the server's clock and compare positions; equal ones see the same rows, and where a commit came between, all try again.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import type { Connection } from './connect.ts';

/** How often lanes begin together before it is given up: writers commit too often. Each try takes about a tenth of a second. */
export const VIEW_TRIES = 24;

/** The server's clock is cut into ticks of this many seconds; a lane that knows of the next try within one is in time. */
const TICK_SECONDS = 0.1;

/** Hex digits of a position's hash, as part of the name of a lock. */
const VIEW_DIGITS = 12;

/** Where in the binary log a snapshot stands. */
export interface View {
  readonly file: string;
  readonly position: string;
}

export const viewHash = ({ file, position }: View): string =>
  createHash('sha256').update(`${file}:${position}`).digest('hex').slice(0, VIEW_DIGITS);

const Log = z.object({ log: z.coerce.number(), chained: z.coerce.number(), galera: z.coerce.number() });
const LOG = `
SELECT @@global.log_bin AS log, @@global.log_slave_updates AS chained,
       (SELECT count(*) FROM information_schema.global_variables WHERE variable_name = 'WSREP_ON' AND variable_value = 'ON') AS galera`;

/**
 * Why equal positions would prove nothing here; undefined when they do. What commits without being logged moves no position: changes
 * that a replica applies without log_slave_updates, and databases that a filter leaves out of the log.
 */
export const whyNotLockFree = async (connection: Connection): Promise<string | undefined> => {
  const doing = 'asking for the binary log';
  if (connection.product !== 'MariaDB') return `${connection.product} has no binlog_snapshot_position`;
  const [log] = await connection.rows(Log, LOG, doing);
  if (log?.log !== 1) return 'the server writes no binary log (log_bin=OFF)';
  const [replicas] = await connection.query("SHOW GLOBAL STATUS LIKE 'Slaves_running'", doing);
  const applies = log.galera > 0 || Number(replicas?.['Value'] ?? 0) > 0;
  if (applies && log.chained !== 1) return 'the server applies changes of others without logging them (log_slave_updates=OFF)';
  try {
    const [filters] = await connection.query('SHOW MASTER STATUS', doing);
    const filtered = `${String(filters?.['Binlog_Do_DB'] ?? '')}${String(filters?.['Binlog_Ignore_DB'] ?? '')}` !== '';
    return filtered ? 'a filter keeps databases out of the binary log' : undefined;
  } catch (error) {
    if (!(error instanceof LifeboatError && error.code === 'PermissionDenied')) throw error;
    return `user "${connection.address.user}" may not see whether the binary log is filtered (GRANT BINLOG MONITOR ON *.* to it)`;
  }
};

/** Opens a snapshot at the next tick; within the server, so that no network is between the tick and the snapshot. */
export const openView = async (connection: Connection): Promise<View> => {
  const rest = `${TICK_SECONDS} - MOD(UNIX_TIMESTAMP(NOW(6)), ${TICK_SECONDS})`;
  await connection.run(
    `BEGIN NOT ATOMIC DO SLEEP(${rest}); START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY; END`,
    'fixing the instant',
  );
  const rows = await connection.query("SHOW STATUS LIKE 'binlog_snapshot_%'", 'fixing the instant');
  const values = new Map(rows.map((row) => [String(row['Variable_name']).toLowerCase(), String(row['Value'])]));
  const [file = '', position = ''] = [values.get('binlog_snapshot_file'), values.get('binlog_snapshot_position')];
  if (file === '' || !/^\d+$/.test(position))
    throw new LifeboatError('SourceProblem', 'the server does not say where in its binary log a snapshot stands', {
      hint: 'Set barrier to "lock-tables".',
    });
  return { file, position };
};
