import { type RestoreInput, restoreInput } from '../../backup/restore-input.ts';
import { wayInto } from '../../backup/target-database.ts';
import { LifeboatError } from '../../errors.ts';
import type { Part, Services, Stage, TaskContext } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { type Connection, parseVersion, withConnection } from './connect.ts';
import { DetailsSchema } from './dump-facts.ts';
import { placeOf } from './inspect.ts';
import { createMarker, dropMarker, insertItem, readDetail, readMarker, requireMarker } from './marker.ts';
import { cleanDatabase, occupants } from './occupants.ts';
import { replay } from './replay.ts';
import { segmentsOf } from './restore-input.ts';
import { createScratch } from './scratch.ts';
import { readStatements } from './script.ts';
import { isOfMarker } from './statement.ts';

/** Two restores that begin in one database at the same time take turns; the second meets the marker of the first. */
const LOCK_SECONDS = 60;
const TABLES_DONE = 'tables';

/** Checks that the target may be written, marks it, and makes the tables. */
export const prepareStage = (address: MysqlAddress, services: Services): Stage => ({
  name: 'prepare',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context): Promise<Part> {
    const input = restoreInput(context);
    const collation = input.scratch ? await createScratch(address, services, DetailsSchema.parse(input.manifest.details).server) : 'target';
    await withConnection(
      address,
      services,
      async (connection) => {
        refuseOther(connection, input);
        await connection.query(
          `SELECT GET_LOCK(concat('lifeboat:', left(sha2(DATABASE(), 256), 40)), ${LOCK_SECONDS})`,
          'marking the target',
        );
        await take(connection, input);
        await requireMarker(connection, input.restore);
        await makeTables(connection, context, input);
      },
      { target: true, signal: context.budget.signal },
    );
    return { segments: [], digests: [], facts: { collation } };
  },
});

/** What one product writes, the other does not take: types, collations, defaults differ. */
const refuseOther = (connection: Connection, { manifest }: RestoreInput): void => {
  const { product, version } = manifest.source;
  if (connection.product !== product)
    throw new LifeboatError('TargetProblem', `the target runs ${connection.product}, the backup is of ${product}`, {
      hint: `Restore into ${product}.`,
    });
  // The same series: 8.0, 10.11.
  const [here, there] = [connection.version, parseVersion(`${version}-${product}`).version].map((number) => Math.floor(number / 100));
  if (here === undefined || there === undefined || here >= there) return;
  throw new LifeboatError('TargetTooOld', `the target runs ${product} ${connection.versionText}, the backup is of ${version}`, {
    hint: `Restore into ${product} ${version} or newer.`,
  });
};

/** Marks the database as ours, if it may be: it is empty, or is to be overwritten, or this restore has begun here before. */
const take = async (connection: Connection, input: RestoreInput): Promise<void> => {
  const way = wayInto(
    {
      name: connection.address.database,
      marker: await readMarker(connection),
      samePlace: (await placeOf(connection)) === input.manifest.source.place,
      occupants: await occupants(connection),
    },
    input,
  );
  if (way === 'resume') return;
  if (way === 'clean') {
    await cleanDatabase(connection);
    await dropMarker(connection);
  }
  await createMarker(connection, input.restore);
};

/** A definition commits by itself; what an earlier attempt left half-made is dropped and made anew. All of it is ours by now. */
const makeTables = async (connection: Connection, context: TaskContext, { manifest, scratch }: RestoreInput): Promise<void> => {
  if ((await readDetail(connection, TABLES_DONE)) !== undefined) return;
  await cleanDatabase(connection);
  for (const segment of segmentsOf(manifest, 'tables')) {
    for await (const sql of readStatements(context.read.read(segment))) {
      if (!isOfMarker(sql)) await replay(connection, sql, { scratch });
    }
  }
  await insertItem(connection, TABLES_DONE, 'made');
};
