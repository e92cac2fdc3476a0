import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import type { Claims } from '../contract.ts';
import { getLock, lanesIn, lockNames, PASSED, ROUNDS, releaseLock } from './barrier.ts';
import type { Connection } from './connect.ts';
import { errnoOf } from './errors.ts';
import { lockList } from './plan.ts';

/** Seconds that one try to lock the tables may wait for open transactions; whoever writes waits behind it meanwhile. */
const LOCK_WAIT_SECONDS = 3;
const LOCK_TRIES = 8;
/** Between two tries, in milliseconds: writers go on in it. */
const LOCK_PAUSE_MS = 1_000;
/** Longest time that the tables stay locked, in milliseconds; a lane needs one round trip. */
const LOCKED_MAX_MS = 10_000;
/** Between two looks, in milliseconds, while lanes come, and while the tables are locked. */
const READY_POLL_MS = 50;
const LOCKED_POLL_MS = 2;

const LOCK_WAIT_TIMEOUT = 1205;

export const PassedSchema = z.strictObject({
  /** ISO 8601, the server's clock, while the tables were locked. */
  at: z.string(),
  way: z.enum(['lock-tables', 'global-lock', 'quiesced']),
  lanes: z.int(),
  /** How long writers had to wait, in milliseconds. */
  lockedMs: z.number(),
  gtid: z.string().nullable(),
  /** Null where the server writes no log, or this user may not ask. */
  binlog: z.strictObject({ file: z.string(), position: z.string() }).nullable(),
});

export type Passed = z.output<typeof PassedSchema>;

export interface Coordination {
  readonly connection: Connection;
  readonly claims: Claims;
  readonly barrier: string;
  readonly lanes: number;
  readonly tables: readonly string[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Brings all lanes to one instant. Fails with BarrierTimeout before anything is locked, when some lanes do not come. */
export const coordinate = async (work: Coordination): Promise<Passed> => {
  const { connection, lanes, signal } = work;
  let missing: readonly number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const names = lockNames(work.barrier, round);
    // Held by an attempt of the coordinator that died; the server has not noticed yet.
    if (!(await getLock(connection, names.go, 1))) continue;
    if (!(await getLock(connection, names.coordinator, 0))) {
      await releaseLock(connection, names.go);
      continue;
    }
    missing = await waitForLanes(connection, names, lanes, work.timeoutMs, signal);
    if (missing.length === 0) return letGo(work, names);
    await releaseLock(connection, names.coordinator);
    await releaseLock(connection, names.go);
  }
  const who = missing.length === 0 ? 'another coordinator held the barrier' : `lane ${missing.join(', ')} of ${lanes} did not come`;
  throw new LifeboatError('BarrierTimeout', `${who} within ${ROUNDS} × ${work.timeoutMs / 1000} s; nothing was locked`, {
    hint: 'Fewer functions than lanes could run at the same time: lower the concurrency of this source, or raise the limit of the account.',
  });
};

const waitForLanes = async (
  connection: Connection,
  names: ReturnType<typeof lockNames>,
  lanes: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<readonly number[]> => {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const ready = await lanesIn(connection, names, lanes);
    if (ready.size === lanes) return [];
    if (Date.now() >= deadline) return Array.from({ length: lanes }, (_, lane) => lane).filter((lane) => !ready.has(lane));
    await sleep(READY_POLL_MS, undefined, { signal });
  }
};

const letGo = async (work: Coordination, names: ReturnType<typeof lockNames>): Promise<Passed> => {
  const { connection, lanes, claims } = work;
  await lockTables(work);
  const lockedAt = performance.now();
  await getLock(connection, names.locked, 0);
  const position = await readPosition(connection);
  await releaseLock(connection, names.go);
  for (;;) {
    const waiting = await lanesIn(connection, names, lanes);
    if (waiting.size === 0) break;
    if (performance.now() - lockedAt > LOCKED_MAX_MS) {
      await connection.run('UNLOCK TABLES', 'unlocking the tables');
      throw new LifeboatError(
        'InstantLost',
        `lane ${[...waiting].join(', ')} took no snapshot within ${LOCKED_MAX_MS / 1000} s; the tables are unlocked`,
        {
          hint: 'The server is overloaded, or a lane hangs. Start a new backup.',
        },
      );
    }
    await sleep(LOCKED_POLL_MS);
  }
  await connection.run('UNLOCK TABLES', 'unlocking the tables');
  const lockedMs = Math.round((performance.now() - lockedAt) * 10) / 10;
  await claims.take(PASSED);
  await releaseLock(connection, names.locked);
  return { ...position, way: connection.address.barrier, lanes, lockedMs };
};

const lockTables = async ({ connection, tables, signal }: Coordination): Promise<void> => {
  const global = connection.address.barrier === 'global-lock';
  if (!global && tables.length === 0) return;
  await connection.run(`SET SESSION lock_wait_timeout = ${LOCK_WAIT_SECONDS}`);
  for (let attempt = 1; ; attempt++) {
    try {
      await connection.run(global ? 'FLUSH TABLES WITH READ LOCK' : `LOCK TABLES ${lockList(tables)}`, 'locking the tables');
      return;
    } catch (error) {
      if (errnoOf(error) !== LOCK_WAIT_TIMEOUT) throw error;
      if (attempt === LOCK_TRIES)
        throw new LifeboatError(
          'BarrierTimeout',
          `the tables could not be locked in ${LOCK_TRIES} tries of ${LOCK_WAIT_SECONDS} s: a transaction stays open on one of them`,
          {
            hint: 'Look for it in information_schema.innodb_trx; back up at a quieter time.',
            cause: error,
          },
        );
    }
    await sleep(LOCK_PAUSE_MS, undefined, { signal });
  }
};

const At = z.object({ at: z.string(), gtid: z.string().nullable() });

export const readPosition = async (connection: Connection): Promise<Pick<Passed, 'at' | 'gtid' | 'binlog'>> => {
  const gtid = connection.product === 'MariaDB' ? '@@global.gtid_current_pos' : '@@global.gtid_executed';
  const [now] = await connection.rows(
    At,
    `SELECT concat(date_format(utc_timestamp(3), '%Y-%m-%dT%H:%i:%s.'), lpad(floor(microsecond(utc_timestamp(3)) / 1000), 3, '0'), 'Z') AS at, ${gtid} AS gtid`,
    'fixing the instant',
  );
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
