import { z } from 'zod';
import { generatedClass } from '../../backup/rows.ts';
import type { Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Budget, Services, Tampering } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { readClasses, readTables, type TableClass } from './catalog.ts';
import { createMarkerSql, readDetail, writeDetailSql } from './marker.ts';
import { refuseUnlessScratch } from './scratch.ts';
import { qualified } from './sql.ts';
import { changeRow, type Done, deleteRow } from './tamper-row.ts';
import { type TargetSession, withTarget } from './target-session.ts';

/** Its item in the marker: tampering again with the same scratch would undo what was done. */
const ITEM = 'tampered';
const TamperingSchema = z.object({ what: z.array(z.string()), classes: z.array(z.string()) });

/** Changes one value of one row and deletes another row, chosen by `seed`, in one transaction that also marks the database. */
export async function tamperWith(
  address: PostgresAddress,
  services: Services,
  manifest: Manifest,
  seed: number,
  budget: Budget,
): Promise<Tampering> {
  refuseUnlessScratch(address);
  return damage(address, services, manifest, seed, budget);
}

/** As tamperWith, for a whole server that is thrown away, whatever its databases are called. */
export async function damage(
  address: PostgresAddress,
  services: Services,
  manifest: Manifest,
  seed: number,
  budget: Budget,
): Promise<Tampering> {
  return withTarget(address, services, budget, async (session) => {
    const before = await readDetail(session, ITEM);
    if (before !== undefined) return TamperingSchema.parse(parseJson(before));
    await session.write('BEGIN', 'tampering');
    const superuser = session.parameters.get('is_superuser') === 'on';
    if (superuser) await session.write('SET LOCAL session_replication_role = replica', 'turning triggers off');
    const classes = inOrderOf(seed, await candidates(session, manifest, superuser));
    const changed = await first(classes, (table) => changeRow(session, table, seed));
    // Another class when there is one: two failures prove more than one.
    const others = [...classes.filter((table) => table.class !== changed?.table.class), ...classes];
    const deleted = await first(others, (table) =>
      deleteRow(session, table, seed, table.class === changed?.table.class ? changed.done.ctid : undefined),
    );
    if (changed === undefined || deleted === undefined) {
      throw new LifeboatError(
        'TargetProblem',
        `no row of "${address.database}" can be ${changed === undefined ? 'changed' : 'deleted'} by this user`,
        {
          hint: 'Let the drill restore as a superuser, or as a role that may set session_replication_role.',
        },
      );
    }
    const tampering: Tampering = {
      what: [`changed "${changed.done.column}" of one row of ${changed.table.class}`, `deleted one row of ${deleted.table.class}`],
      classes: [...new Set([...touched(changed), ...touched(deleted)])].sort(),
    };
    await session.write(
      `${createMarkerSql('a drill tampered with this database')} ${writeDetailSql(ITEM, JSON.stringify(tampering))}`,
      'marking the database',
    );
    await session.write('COMMIT', 'tampering');
    return tampering;
  });
}

interface Hit {
  readonly table: TableClass;
  readonly done: Done;
}

async function first(classes: readonly TableClass[], attempt: (table: TableClass) => Promise<Done | undefined>): Promise<Hit | undefined> {
  for (const table of classes) {
    const done = await attempt(table);
    if (done !== undefined) return { table, done };
  }
  return undefined;
}

const touched = ({ table, done }: Hit): string[] => [
  ...(done.written ? [table.class] : []),
  ...(done.generated ? [generatedClass(table.class)] : []),
];

const Named = z.object({ schema: z.string(), name: z.string() });

/** Classes with rows in the backup whose tables do nothing on their own when a row changes. */
async function candidates(session: TargetSession, manifest: Manifest, superuser: boolean): Promise<TableClass[]> {
  const filled = new Set(manifest.digests.filter((digest) => digest.rows !== '0').map((digest) => digest.name));
  // A superuser turned the ordinary triggers off, foreign keys among them.
  const triggers = superuser ? `g.tgenabled IN ('A', 'R')` : 'true';
  const lively = await session.rows(
    Named,
    `SELECT n.nspname AS schema, r.relname AS name FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
      WHERE r.relkind IN ('r', 'p') AND EXISTS (
        SELECT FROM pg_class c WHERE (c.oid = r.oid OR c.oid IN (SELECT relid FROM pg_partition_tree(r.oid)))
           AND (c.relhasrules OR EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND ${triggers})))`,
  );
  const avoided = new Set(lively.map(({ schema, name }) => qualified(schema, name)));
  const classes = await readClasses(session, await readTables(session));
  return classes.filter((table) => table.condition === '' && filled.has(table.class) && !avoided.has(qualified(table.schema, table.name)));
}

/** The same for the same seed; every class may come first. */
function inOrderOf<Item>(seed: number, items: readonly Item[]): Item[] {
  const left = [...items];
  let state = seed >>> 0;
  const chosen: Item[] = [];
  while (left.length > 0) {
    // Numerical Recipes' generator: good enough to choose, and small.
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    chosen.push(...left.splice(Math.floor((state / 2 ** 32) * left.length), 1));
  }
  return chosen;
}
