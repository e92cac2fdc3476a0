import { ORDINAL_TASK_MAX, ordinal } from '../../backup/ordinal.ts';
import { generatedClass } from '../../backup/rows.ts';
import type { Stage } from '../contract.ts';
import { MARKER } from './catalog.ts';
import { type Gathered, gather } from './gathered.ts';
import { writeText } from './lane.ts';
import { segmentSession } from './session-sql.ts';
import { identifier, literal } from './sql.ts';

/** The trailer comes after everything that the dump wrote. */
const LAST = ordinal(ORDINAL_TASK_MAX, 0);

/** Characters of a name that the server takes. */
const NAME_MAX = 64;

/** Writes the end of the artifact: every table has the rows that the backup counted, or the load does not end well. */
export const sealStage: Stage = {
  name: 'seal',
  mode: 'independent',
  async *plan() {
    yield { task: { kind: 'trailer' } };
  },
  async run(_task, context) {
    return { segments: [await writeText(context, LAST, 'trailer', trailer(await gather(context)))], digests: [] };
  },
};

function* trailer({ rows, server }: Gathered): Generator<string> {
  yield segmentSession(server.product);
  const derived = new Set([...rows.keys()].map(generatedClass));
  let total = 0n;
  for (const [name, count] of [...rows].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (derived.has(name)) continue;
    total += count;
    yield assertRows(name, count);
  }
  yield `INSERT INTO ${identifier(MARKER)} (item, detail) VALUES ('complete', '${total} rows');\n`;
}

/** There is no statement that fails on a condition; reading a table that is not there does, and its name says why. */
const assertRows = (name: string, rows: bigint): string => {
  const complaint = `not ${rows} rows in ${name}`.slice(0, NAME_MAX);
  const otherwise = literal(`DO (SELECT 1 FROM ${identifier(complaint)})`);
  return `SET @lifeboat = IF((SELECT count(*) FROM ${identifier(name)}) = ${rows}, 'DO 0', ${otherwise});
PREPARE lifeboat FROM @lifeboat;
EXECUTE lifeboat;
`;
};
