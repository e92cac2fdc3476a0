import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import type { Connection } from './connect.ts';

/** How the lanes of a backup came to one instant. */
export const PassedSchema = z.strictObject({
  /** ISO 8601, the server's clock, while the tables were locked. */
  at: z.string(),
  way: z.enum(['binlog-snapshot', 'lock-tables', 'global-lock', 'quiesced']),
  lanes: z.int(),
  /** How long writers had to wait, in milliseconds. */
  lockedMs: z.number(),
  /** Tables of engines without snapshots, and how long writers to them had to wait: until their rows were read. */
  kept: z
    .strictObject({ tables: z.array(z.string()), lockedMs: z.number() })
    .nullable()
    .default(null),
  gtid: z.string().nullable(),
  /** Null where the server writes no log, or this user may not ask. */
  binlog: z.strictObject({ file: z.string(), position: z.string() }).nullable(),
});

export type Passed = z.output<typeof PassedSchema>;

const At = z.object({ at: z.string(), gtid: z.string().nullable() });

/** The server's clock as ISO 8601. */
export const NOW = `concat(date_format(utc_timestamp(3), '%Y-%m-%dT%H:%i:%s.'), lpad(floor(microsecond(utc_timestamp(3)) / 1000), 3, '0'), 'Z')`;

/** A position under which the tables are locked, or nobody writes: whatever the server says now holds. */
export const readPosition = async (connection: Connection): Promise<Pick<Passed, 'at' | 'gtid' | 'binlog'>> => {
  const gtid = connection.product === 'MariaDB' ? '@@global.gtid_current_pos' : '@@global.gtid_executed';
  const [now] = await connection.rows(At, `SELECT ${NOW} AS at, ${gtid} AS gtid`, 'fixing the instant');
  return { at: now?.at ?? '', gtid: (now?.gtid ?? '').replaceAll('\n', '') || null, binlog: await readBinlog(connection) };
};

/** Needs a privilege that a backup can do without. */
const readBinlog = async (connection: Connection): Promise<Passed['binlog']> => {
  const status = connection.product === 'MySQL' && connection.version >= 80_400 ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS';
  try {
    const [row] = await connection.query(status, 'reading the position of the binary log');
    return row === undefined ? null : { file: String(row['File']), position: String(row['Position']) };
  } catch (error) {
    if (error instanceof LifeboatError && error.code === 'PermissionDenied') return null;
    throw error;
  }
};
