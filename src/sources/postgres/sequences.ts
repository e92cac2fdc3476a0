import { z } from 'zod';
import { ordinal } from '../../backup/ordinal.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, Services, TaskContext } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { OF_USERS } from './catalog.ts';
import { type Connection, withConnection } from './connect.ts';
import { joinInstant } from './instant.ts';
import { writeSql } from './schema-task.ts';
import { SEGMENT_SESSION } from './session-sql.ts';
import { literal, qualified } from './sql.ts';

/** Sequences of one invocation, and of one segment: what its receipt may list. */
const SEQUENCES_MAX = 250;

const Name = z.object({ schema: z.string(), name: z.string() });
const State = z.object({ last: z.string(), called: z.boolean() });

export const SequenceSchema = z.strictObject({ schema: z.string(), name: z.string(), last: z.string(), called: z.boolean() });

/** `last` is a decimal string: sequences have 64 bits. */
export type Sequence = z.output<typeof SequenceSchema>;

const CursorSchema = z.strictObject({ done: z.int().nonnegative(), part: z.int().nonnegative() });

const SEQUENCES = `
SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S' AND ${OF_USERS} AND NOT (c.relpersistence = 'u' AND pg_is_in_recovery())
   AND (EXISTS (SELECT FROM pg_extension e WHERE c.oid = ANY (e.extconfig)) OR NOT EXISTS (
     SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
 ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`;

/**
 * The values of all sequences, which pg_dump counts as data. They know no transactions: what is read is as new as the snapshot,
 * or newer, and never behind the rows.
 */
export const dumpSequences = async (
  address: PostgresAddress,
  services: Services,
  context: TaskContext,
  resume: Cursor | undefined,
): Promise<Part> => {
  const from = resume === undefined ? { done: 0, part: 0 } : CursorSchema.parse(parseJson(resume));
  return withConnection(address, services, async (connection) => {
    await joinInstant(connection, await context.instants());
    const names = await connection.rows(Name, SEQUENCES, [], 'listing the sequences');
    const done = from.done + SEQUENCES_MAX;
    const sequences = await readStates(connection, names.slice(from.done, done));
    const segment = await writeSql(context, ordinal(context.task, from.part), 'sequences', [SEGMENT_SESSION, ...sequences.map(setval)]);
    const part = { segments: [segment], digests: [], facts: { sequences } };
    if (done >= names.length) return part;
    return { ...part, next: { cursor: JSON.stringify({ done, part: from.part + 1 }) as Cursor } };
  });
};

const readStates = async (connection: Connection, names: readonly z.output<typeof Name>[]): Promise<Sequence[]> => {
  const sequences: Sequence[] = [];
  for (const { schema, name } of names) {
    const sql = `SELECT last_value::text AS last, is_called AS called FROM ${qualified(schema, name)}`;
    for (const state of await connection.rows(State, sql, [], `reading sequence ${schema}.${name}`))
      sequences.push({ schema, name, ...state });
  }
  return sequences;
};

const setval = ({ schema, name, last, called }: Sequence): string =>
  `SELECT pg_catalog.setval(${literal(qualified(schema, name))}, ${last}, ${called});\n`;
