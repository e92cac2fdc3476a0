import { setTimeout as sleep } from 'node:timers/promises';
import { LifeboatError } from '../../errors.ts';
import type { Claims } from '../contract.ts';
import { agreeOnView } from './agreement.ts';
import { whyNotLockFree } from './binlog-snapshot.ts';
import type { Connection } from './connect.ts';
import { errnoOf } from './errors.ts';
import type { Keeper } from './keeper.ts';
import { getLock, type LockNames, lanesIn, lockNames, PASSED, ROUNDS, releaseLock } from './locks.ts';
import { type Passed, readPosition } from './passed.ts';
import { lockList } from './plan.ts';

/** Seconds that one try to lock the tables may wait for open transactions; whoever writes waits behind it meanwhile. */
const LOCK_WAIT_SECONDS = 3;
const LOCK_TRIES = 8;
/** Between two tries, in milliseconds: writers go on in it. */
const LOCK_PAUSE_MS = 1_000;
/** Longest time that the tables stay locked, in milliseconds; a lane needs one round trip. */
const LOCKED_MAX_MS = 10_000;
/** How long lanes that agree may take to say that they go, in milliseconds; nobody waits for it. */
const LANES_THROUGH_MS = 60_000;
/** Between two looks, in milliseconds, while lanes come, and while the tables are locked. */
const READY_POLL_MS = 50;
const LOCKED_POLL_MS = 2;

const LOCK_WAIT_TIMEOUT = 1205;

export interface Coordination {
  readonly connection: Connection;
  readonly claims: Claims;
  readonly barrier: string;
  readonly lanes: number;
  readonly tables: readonly string[];
  /** Locks tables of other engines and keeps them locked, whatever this coordinator unlocks. */
  readonly keeper?: Keeper | undefined;
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
    if (missing.length === 0) return fixInstant(work, names);
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
  names: LockNames,
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

/** Without a lock where that is exact, else under one. */
const fixInstant = async (work: Coordination, names: LockNames): Promise<Passed> => {
  if (!(await wantsLock(work))) {
    const passed = await withoutLock(work, names);
    if (passed !== undefined) return passed;
    if (work.connection.address.barrier === 'binlog-snapshot')
      throw new LifeboatError('BarrierTimeout', 'writers commit too often for the lanes to begin between two of them; nothing was locked', {
        hint: 'Set barrier to "auto", which then locks the tables for some milliseconds, or lower the concurrency of this source.',
      });
    await releaseLock(work.connection, names.free);
  }
  return underLock(work, names);
};

const wantsLock = async ({ connection, keeper }: Coordination): Promise<boolean> => {
  const { barrier } = connection.address;
  if (barrier === 'binlog-snapshot') return false;
  return barrier !== 'auto' || keeper !== undefined || (await whyNotLockFree(connection)) !== undefined;
};

const withoutLock = async (work: Coordination, names: LockNames): Promise<Passed | undefined> => {
  const { connection, lanes, claims } = work;
  await getLock(connection, names.free, 0);
  await releaseLock(connection, names.go);
  const agreed = await agreeOnView(work, names);
  if (agreed === undefined) return undefined;
  await allThrough(work, names, LANES_THROUGH_MS);
  await claims.take(PASSED);
  return { ...agreed, way: 'binlog-snapshot', lanes, lockedMs: 0, kept: null };
};

const underLock = async (work: Coordination, names: LockNames): Promise<Passed> => {
  const { connection, lanes, claims } = work;
  await lockTables(work);
  const lockedAt = performance.now();
  await getLock(connection, names.locked, 0);
  const position = await readPosition(connection);
  await releaseLock(connection, names.go);
  try {
    await allThrough(work, names, LOCKED_MAX_MS);
  } finally {
    await connection.run('UNLOCK TABLES', 'unlocking the tables');
  }
  const lockedMs = Math.round((performance.now() - lockedAt) * 10) / 10;
  await claims.take(PASSED);
  await releaseLock(connection, names.locked);
  return { ...position, way: connection.address.barrier === 'global-lock' ? 'global-lock' : 'lock-tables', lanes, lockedMs, kept: null };
};

/** Waits until each lane has its snapshot, and says so by giving back its name. */
const allThrough = async ({ connection, lanes }: Coordination, names: LockNames, most: number): Promise<void> => {
  const began = performance.now();
  for (;;) {
    const waiting = await lanesIn(connection, names, lanes);
    if (waiting.size === 0) return;
    if (performance.now() - began > most)
      throw new LifeboatError(
        'InstantLost',
        `lane ${[...waiting].join(', ')} took no snapshot within ${most / 1000} s; nothing is locked any more`,
        {
          hint: 'The server is overloaded, or a lane hangs. Start a new backup.',
        },
      );
    await sleep(LOCKED_POLL_MS);
  }
};

const lockTables = async ({ connection, keeper, tables, signal }: Coordination): Promise<void> => {
  const global = connection.address.barrier === 'global-lock';
  const others = tables.filter((name) => keeper?.tables.includes(name) !== true);
  await connection.run(`SET SESSION lock_wait_timeout = ${LOCK_WAIT_SECONDS}`);
  for (let attempt = 1; ; attempt++) {
    try {
      if (global) await connection.run('FLUSH TABLES WITH READ LOCK', 'locking the server');
      else if (others.length > 0) await connection.run(`LOCK TABLES ${lockList(others)}`, 'locking the tables');
      await keeper?.lock(LOCK_WAIT_SECONDS);
      return;
    } catch (error) {
      if (errnoOf(error) !== LOCK_WAIT_TIMEOUT) throw error;
      await connection.run('UNLOCK TABLES', 'unlocking the tables');
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
