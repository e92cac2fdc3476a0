import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import type { Table } from './catalog.ts';
import type { Connection } from './connect.ts';
import { literal, qualified } from './sql.ts';

const Now = z.object({ oid: z.number().nullable(), filenode: z.number().nullable() });

/**
 * Locks the table against DDL and checks that it still is what the snapshot saw. A snapshot does not protect against TRUNCATE
 * and rewrites: the table would read as empty, without an error. Fails with SourceChanged, SourceBusy, PermissionDenied.
 */
export const guardTable = async (connection: Connection, table: Table): Promise<void> => {
  const name = qualified(table.schema, table.name);
  const doing = `reading table ${table.schema}.${table.name}`;
  await connection.run(`LOCK TABLE ONLY ${name} IN ACCESS SHARE MODE`, doing);
  const [now] = await connection.rows(
    Now,
    `SELECT to_regclass(${literal(name)})::oid AS oid, pg_relation_filenode(${table.oid}) AS filenode`,
    [],
    doing,
  );
  if (now?.oid === table.oid && now.filenode === table.filenode) return;
  const what = now?.oid === table.oid ? 'truncated or rewritten' : 'dropped, renamed or made anew';
  throw changed(table, what);
};

/** A table of the plan that the catalogue of the snapshot does not have can only be another server's, or another instant's. */
export const changed = (table: { readonly schema: string; readonly name: string }, what: string): LifeboatError =>
  new LifeboatError('SourceChanged', `table ${table.schema}.${table.name} was ${what} while the backup ran`, {
    hint: 'No snapshot protects against that. Start a new backup when migrations are over.',
  });
