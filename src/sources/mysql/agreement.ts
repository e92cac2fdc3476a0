import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import { openView, VIEW_TRIES, viewHash } from './binlog-snapshot.ts';
import type { Connection } from './connect.ts';
import { getLock, heldOf, type LockNames, releaseLock } from './locks.ts';
import { NOW, type Passed } from './passed.ts';
import { literal } from './sql.ts';

/** Between two looks at the others, in milliseconds. Nobody is locked out meanwhile. */
const POLL_MS = 5;
/** How long a lane may take for one try, in milliseconds. */
const TRY_MS = 10_000;

interface Seeking {
  readonly connection: Connection;
  readonly names: LockNames;
  readonly lane: number;
  /** When this lane gives up waiting, as Date.now() has it. */
  readonly deadline: number;
  readonly signal: AbortSignal;
}

/**
 * A lane's side: begins snapshots with the others until all see the same. True within a transaction of that view; false when that was
 * given up (the coordinator locks the tables instead) or the coordinator is gone.
 */
export const seekAgreement = async ({ connection, names, lane, deadline, signal }: Seeking): Promise<boolean> => {
  for (let attempt = 0; attempt < VIEW_TRIES; attempt++) {
    const sees = names.sees(attempt, lane, viewHash(await openView(connection)));
    const began = names.began(attempt, lane);
    // In this order: whoever sees that the lane began sees its view too.
    await getLock(connection, sees, 0);
    await getLock(connection, began, 0);
    const verdict = await verdictOf(connection, names, attempt, deadline, signal);
    if (verdict === 'agreed') return true;
    await connection.run('ROLLBACK');
    if (verdict === 'gone') return false;
    await releaseLock(connection, began);
    await releaseLock(connection, sees);
  }
  await untilDecided(connection, names, deadline, signal);
  return false;
};

const verdictOf = async (connection: Connection, names: LockNames, attempt: number, deadline: number, signal: AbortSignal) => {
  const looked = [names.verdict(attempt, true), names.verdict(attempt, false), names.coordinator];
  for (;;) {
    signal.throwIfAborted();
    const held = await heldOf(connection, looked);
    if (held.has(0)) return 'agreed';
    if (held.has(1)) return 'differ';
    if (!held.has(2) || Date.now() > deadline) return 'gone';
    await sleep(POLL_MS);
  }
};

/** After the last try: until the tables are locked, or the coordinator is gone. */
const untilDecided = async (connection: Connection, names: LockNames, deadline: number, signal: AbortSignal): Promise<void> => {
  for (;;) {
    signal.throwIfAborted();
    const held = await heldOf(connection, [names.locked, names.coordinator]);
    if (held.has(0) || !held.has(1) || Date.now() > deadline) return;
    await sleep(POLL_MS);
  }
};

const Instant = z.object({ at: z.string(), gtid: z.string().nullable() });

/** The coordinator's side: has a view of its own, and compares those of the lanes with it. Undefined when they never were the same. */
export const agreeOnView = async (
  { connection, lanes, signal }: { readonly connection: Connection; readonly lanes: number; readonly signal: AbortSignal },
  names: LockNames,
): Promise<Pick<Passed, 'at' | 'gtid' | 'binlog'> | undefined> => {
  for (let attempt = 0; attempt < VIEW_TRIES; attempt++) {
    const view = await openView(connection);
    const [instant] = await connection.rows(
      Instant,
      `SELECT ${NOW} AS at, BINLOG_GTID_POS(${literal(view.file)}, ${view.position}) AS gtid`,
      'fixing the instant',
    );
    await connection.run('COMMIT');
    const agreed = await lanesSee(connection, names, lanes, attempt, viewHash(view), signal);
    await getLock(connection, names.verdict(attempt, agreed), 0);
    if (agreed) return { at: instant?.at ?? '', gtid: instant?.gtid || null, binlog: view };
  }
  return undefined;
};

const lanesSee = async (
  connection: Connection,
  names: LockNames,
  lanes: number,
  attempt: number,
  view: string,
  signal: AbortSignal,
): Promise<boolean> => {
  const each = Array.from({ length: lanes }, (_, lane) => lane);
  const looked = [...each.map((lane) => names.began(attempt, lane)), ...each.map((lane) => names.sees(attempt, lane, view))];
  const deadline = performance.now() + TRY_MS;
  for (;;) {
    signal.throwIfAborted();
    const held = await heldOf(connection, looked);
    const missing = each.filter((lane) => !held.has(lane));
    if (missing.length === 0) return each.every((lane) => held.has(lanes + lane));
    if (performance.now() > deadline)
      throw new LifeboatError('InstantLost', `lane ${missing.join(', ')} took no snapshot within ${TRY_MS / 1000} s; nothing was locked`, {
        hint: 'The server is overloaded, or a lane hangs. Start a new backup.',
      });
    await sleep(POLL_MS);
  }
};
