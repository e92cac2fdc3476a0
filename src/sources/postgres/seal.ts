import { ORDINAL_TASK_MAX, ordinal } from '../../backup/ordinal.ts';
import type { Stage } from '../contract.ts';
import type { TableFacts } from './dump-facts.ts';
import { type Gathered, gather } from './gathered.ts';
import { writeSql } from './schema-task.ts';
import { COMMIT, SEGMENT_SESSION } from './session-sql.ts';
import { literal, qualified } from './sql.ts';

/** The trailer comes after everything that the dump wrote. */
const LAST = ordinal(ORDINAL_TASK_MAX, 0);

/** Writes the end of the artifact: every table has the rows that the backup counted, or nothing is committed. */
export const sealStage: Stage = {
  name: 'seal',
  mode: 'independent',
  async *plan() {
    yield { task: { kind: 'trailer' } };
  },
  async run(_task, context) {
    const gathered = await gather(context);
    return { segments: [await writeSql(context, LAST, 'trailer', trailer(gathered))], digests: [] };
  },
};

function* trailer({ tables, rows }: Gathered): Generator<string> {
  yield SEGMENT_SESSION;
  for (const table of tables) if (!table.foreign) yield assertRows(table, rows.get(table.class) ?? 0n);
  yield COMMIT;
}

/** Raises an exception that names the table. */
const assertRows = (table: TableFacts, rows: bigint): string => {
  const from = `${table.partitioned ? '' : 'ONLY '}${qualified(table.schema, table.name)}${table.condition === '' ? '' : ` ${table.condition}`}`;
  const body = `DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM ${from}; IF n <> ${rows} THEN
  RAISE EXCEPTION USING MESSAGE = ${literal(`${table.class} has `)} || n || ${literal(` rows instead of ${rows}: the restore is not whole`)}; END IF; END`;
  return `DO ${literal(body)};\n`;
};
