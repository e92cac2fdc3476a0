import { z } from 'zod';
import { MARKER } from './catalog.ts';
import type { Connection } from './connect.ts';
import { identifier } from './sql.ts';

const Occupant = z.object({ kind: z.string(), name: z.string() });

/** Everything that users made in the database; triggers go with their tables. The marker does not count. */
const OCCUPANTS = `
SELECT CASE table_type WHEN 'VIEW' THEN 'VIEW' WHEN 'SEQUENCE' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, table_name AS name
  FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name <> '${MARKER}'
UNION ALL SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = DATABASE()
UNION ALL SELECT 'EVENT', event_name FROM information_schema.events WHERE event_schema = DATABASE()`;

const read = (connection: Connection): Promise<z.output<typeof Occupant>[]> =>
  connection.rows(Occupant, OCCUPANTS, 'looking at what is there');

/** `14 tables (a, …), 2 functions (…)`; empty when a restore may go here. */
export const occupants = async (connection: Connection): Promise<string> =>
  [...Map.groupBy(await read(connection), ({ kind }) => kind)]
    .map(
      ([kind, { length, 0: first }]) =>
        `${length} ${kind.toLowerCase()}${length === 1 ? '' : 's'} (${first?.name}${length === 1 ? '' : ', …'})`,
    )
    .join(', ');

/** Drops all of it, and leaves the marker. Killed half-way, it is to be run again. */
export const cleanDatabase = async (connection: Connection): Promise<void> => {
  await connection.run('SET SESSION foreign_key_checks = 0', 'cleaning the database');
  const found = await read(connection);
  for (const wanted of ['EVENT', 'VIEW', 'TABLE', 'SEQUENCE', 'PACKAGE BODY', 'PACKAGE', 'PROCEDURE', 'FUNCTION']) {
    for (const { kind, name } of found) {
      if (kind === wanted) await connection.run(`DROP ${kind} IF EXISTS ${identifier(name)}`, 'cleaning the database');
    }
  }
};
