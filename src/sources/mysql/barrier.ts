/**
 * How separate processes come to one instant without any state but the server's: named locks (GET_LOCK). A lane is ready while it holds
 * its own name, and waits for the coordinator's; the coordinator, beside lane 0, locks the tables once all are ready, lets them go, and
 * unlocks once each has its snapshot. Without a lock, the lanes compare what they see (agreement.ts). A lock ends with its connection,
 * so whoever died is not waited for for long.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { PointInTime } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Claims } from '../contract.ts';
import { seekAgreement } from './agreement.ts';
import type { Connection } from './connect.ts';
import { getLock, holderOf, type LockNames, lockNames, PASSED, ROUNDS, releaseLock } from './locks.ts';

/** Between two looks at a lock, in milliseconds. */
const POLL_MS = 100;
/** One wait inside the server, in seconds; after it a lane looks around. */
const WAIT_SECONDS = 2;

const Token = z.object({ barrier: z.string().regex(/^[\w:-]{1,40}$/) });

/** What all lanes of one backup have in common: the start of the names of its locks. */
export const barrierOf = (instants: readonly PointInTime[]): string => {
  const [instant] = instants;
  if (instant === undefined) throw new LifeboatError('InstantLost', 'the backup has no instant to join', { hint: 'Start a new backup.' });
  return Token.parse(instant.token).barrier;
};

export interface LaneAtBarrier {
  readonly connection: Connection;
  readonly claims: Claims;
  readonly barrier: string;
  readonly lane: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Comes back within a transaction whose snapshot is that of the other lanes. Fails with InstantLost when the others went without this
 * one, BarrierTimeout when no coordinator came.
 */
export const joinBarrier = async (at: LaneAtBarrier): Promise<void> => {
  const { connection, claims, barrier, lane, signal } = at;
  const deadline = Date.now() + at.timeoutMs * ROUNDS;
  while (Date.now() < deadline) {
    signal.throwIfAborted();
    if (await claims.isTaken(PASSED)) throw tooLate(lane);
    for (let round = 0; round < ROUNDS; round++) {
      const names = lockNames(barrier, round);
      if ((await holderOf(connection, names.coordinator)) === null) continue;
      if (await takeSnapshot(at, names, deadline)) return;
    }
    await sleep(POLL_MS, undefined, { signal });
  }
  throw new LifeboatError(
    'BarrierTimeout',
    `lane ${lane} waited ${Math.round((at.timeoutMs * ROUNDS) / 1000)} s for the coordinator of the barrier`,
    {
      hint: 'Lane 0 has not come, or ended: see its error.',
    },
  );
};

const tooLate = (lane: number): LifeboatError =>
  new LifeboatError('InstantLost', `lane ${lane} was lost: the others are past the barrier, and no new connection can join their instant`, {
    hint: 'A function was killed or lost its connection. Start a new backup.',
  });

/** False when this round was given up. */
const takeSnapshot = async ({ connection, lane, signal }: LaneAtBarrier, names: LockNames, deadline: number): Promise<boolean> => {
  // An earlier attempt of this lane may hold it until the server notices that it is gone.
  if (!(await getLock(connection, names.lane(lane), WAIT_SECONDS))) return false;
  while (!(await getLock(connection, names.go, WAIT_SECONDS))) {
    signal.throwIfAborted();
    const gone = (await holderOf(connection, names.coordinator)) === null;
    if (!gone && Date.now() < deadline) continue;
    await releaseLock(connection, names.lane(lane));
    return false;
  }
  await releaseLock(connection, names.go);
  if ((await holderOf(connection, names.free)) !== null) {
    const agreed = await seekAgreement({ connection, names, lane, deadline, signal });
    if (agreed || (await holderOf(connection, names.locked)) === null) {
      await releaseLock(connection, names.lane(lane));
      return agreed;
    }
  }
  const locker = await holderOf(connection, names.locked);
  if (locker === null) {
    await releaseLock(connection, names.lane(lane));
    return false;
  }
  await connection.run('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY', 'fixing the instant');
  // Held by the same connection before and after, so the tables were locked all the time.
  if ((await holderOf(connection, names.locked)) !== locker)
    throw new LifeboatError('InstantLost', `the tables were unlocked before lane ${lane} had its snapshot`, {
      hint: 'Start a new backup.',
    });
  await releaseLock(connection, names.lane(lane));
  return true;
};
