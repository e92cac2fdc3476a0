import { z } from 'zod';
import type { PointInTime } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Connection } from './connect.ts';
import { isLostSnapshot } from './errors.ts';
import { literal } from './sql.ts';

/** What another session needs to see what this one sees. */
const Token = z.object({
  /** Names the exported snapshot; dies with the transaction that exported it. */
  snapshot: z.string().regex(/^[0-9A-Fa-f]{1,16}-[0-9A-Fa-f]{1,16}-\d+$/),
  /** Names the instant itself, in every token of its relay. */
  origin: z.string().min(1),
  /** WAL position when the instant was fixed; at or just after it. */
  lsn: z.string().nullable(),
});

export type Token = z.output<typeof Token>;

/** Of a server that nobody else writes to (a clone of a snapshot): what any session sees is the instant. */
const Quiesced = z.object({ quiesced: z.string().min(1) });

/** `origin` names the instant. */
export const quiescedToken = (origin: string): z.output<typeof Quiesced> => ({ quiesced: origin });

const BEGIN = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';

const Opened = z.object({ at: z.string(), snapshot: z.string(), visible: z.string(), lsn: z.string().nullable(), session: z.string() });

const OPEN = `
SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at, pg_export_snapshot() AS snapshot,
       pg_current_snapshot()::text AS visible, pg_backend_pid()::text || '@' || to_char(pg_postmaster_start_time(), 'YYYYMMDDHH24MISSUS') AS session,
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS lsn`;

/** Fixes a new instant in a transaction of this connection, and exports it. */
export const openInstant = async (connection: Connection): Promise<PointInTime> => {
  await connection.run(BEGIN, 'fixing the instant');
  const [opened] = await connection.rows(Opened, OPEN, [], 'fixing the instant');
  if (opened === undefined) throw new LifeboatError('SourceProblem', 'the server exported no snapshot');
  const token: Token = { snapshot: opened.snapshot, origin: `${opened.visible}/${opened.session}`, lsn: opened.lsn };
  return { consistency: 'snapshot', at: opened.at, token };
};

/**
 * Begins a transaction that sees what the newest living one of `instants` (newest first) sees. Fails with InstantLost when
 * none lives, or when they are not relays of one and the same instant.
 */
export const joinInstant = async (connection: Connection, instants: readonly PointInTime[]): Promise<PointInTime> => {
  const [newest] = instants;
  if (newest !== undefined && isQuiesced(newest)) {
    await connection.run(BEGIN, 'joining the instant');
    return newest;
  }
  const tokens = instants.map((at) => Token.parse(at.token));
  if (new Set(tokens.map((token) => token.origin)).size > 1) {
    throw new LifeboatError('InstantLost', 'the holders of this backup fixed two different instants', { hint: 'Start a new backup.' });
  }
  for (const [index, token] of tokens.entries()) {
    await connection.run(BEGIN);
    try {
      await connection.run(`SET TRANSACTION SNAPSHOT ${literal(token.snapshot)}`, 'joining the instant');
      const joined = instants[index];
      if (joined !== undefined) return joined;
    } catch (error) {
      if (!isLostSnapshot(error)) throw error;
      await connection.run('ROLLBACK');
    }
  }
  throw new LifeboatError('InstantLost', `none of the ${tokens.length} exported snapshots of this backup lives any more`, {
    hint: 'Every session that held the instant has ended (the server restarted, or both holders were killed); start a new backup.',
  });
};

/** Exports what the transaction of this connection sees, under a new id that lives as long as it. */
export const exportAgain = async (connection: Connection, at: PointInTime): Promise<PointInTime> => {
  const [exported] = await connection.rows(
    z.object({ snapshot: z.string() }),
    'SELECT pg_export_snapshot() AS snapshot',
    [],
    'exporting the snapshot',
  );
  if (exported === undefined) throw new LifeboatError('SourceProblem', 'the server exported no snapshot');
  return { ...at, token: { ...tokenOf(at), snapshot: exported.snapshot } };
};

const isQuiesced = (at: PointInTime): boolean => Quiesced.safeParse(at.token).success;

const tokenOf = (at: PointInTime): Omit<Token, 'snapshot'> => {
  const quiesced = Quiesced.safeParse(at.token);
  return quiesced.success ? { origin: quiesced.data.quiesced, lsn: null } : Token.parse(at.token);
};

/** The id to pass to SET TRANSACTION SNAPSHOT. */
export const snapshotOf = (at: PointInTime): string => Token.parse(at.token).snapshot;
