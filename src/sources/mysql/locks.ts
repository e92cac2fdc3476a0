import { z } from 'zod';
import type { Connection } from './connect.ts';
import { literal } from './sql.ts';

/** How often the coordinator asks for all lanes anew, under new names: one of an earlier round may still be held by a dead lane. */
export const ROUNDS = 3;

/** The claim that stands for: the instant is over, nobody can join it any more. */
export const PASSED = 'barrier';

export type LockNames = ReturnType<typeof lockNames>;

/** At most 64 characters, which is the limit of the server. */
export const lockNames = (barrier: string, round: number) => ({
  coordinator: `${barrier}:${round}:c`,
  go: `${barrier}:${round}:go`,
  locked: `${barrier}:${round}:locked`,
  /** Held instead of `locked` while lanes compare their views. */
  free: `${barrier}:${round}:free`,
  /** The lane began its snapshot of this try, and sees that view. */
  began: (attempt: number, lane: number): string => `${barrier}:${round}:b:${attempt}:${lane}`,
  sees: (attempt: number, lane: number, view: string): string => `${barrier}:${round}:v:${attempt}:${lane}:${view}`,
  /** The coordinator's word on a try. */
  verdict: (attempt: number, agreed: boolean): string => `${barrier}:${round}:${agreed ? 'y' : 'n'}:${attempt}`,
  lane: (lane: number): string => `${barrier}:${round}:${lane}`,
});

const Value = z.object({ v: z.coerce.number().nullable() });

const numberOf = async (connection: Connection, expression: string): Promise<number | null> => {
  const [row] = await connection.rows(Value, `SELECT ${expression} AS v`, 'waiting at the barrier');
  return row?.v ?? null;
};

export const getLock = async (connection: Connection, name: string, seconds: number): Promise<boolean> =>
  (await numberOf(connection, `GET_LOCK(${literal(name)}, ${seconds})`)) === 1;

export const releaseLock = (connection: Connection, name: string): Promise<number | null> =>
  numberOf(connection, `RELEASE_LOCK(${literal(name)})`);

/** The connection that holds it, or null. */
export const holderOf = (connection: Connection, name: string): Promise<number | null> =>
  numberOf(connection, `IS_USED_LOCK(${literal(name)})`);

/** Which of these somebody holds, by place in the list, in one look. */
export const heldOf = async (connection: Connection, names: readonly string[]): Promise<ReadonlySet<number>> => {
  const columns = names.map((name, place) => `IS_USED_LOCK(${literal(name)}) IS NOT NULL AS \`${place}\``);
  const [row = {}] = await connection.query(`SELECT ${columns.join(', ')}`, 'waiting at the barrier');
  return new Set(Object.entries(row).flatMap(([place, there]) => (Number(there) === 1 ? [Number(place)] : [])));
};

/** Those of `lanes` that are ready, or that have no snapshot yet. */
export const lanesIn = (connection: Connection, names: LockNames, lanes: number): Promise<ReadonlySet<number>> =>
  heldOf(
    connection,
    Array.from({ length: lanes }, (_, lane) => names.lane(lane)),
  );
