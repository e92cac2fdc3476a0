import { LifeboatError } from '../../errors.ts';
import type { Part, Services, Stage, TaskContext } from '../contract.ts';
import type { MysqlAddress } from './address.ts';
import { type Connection, parseVersion, withConnection } from './connect.ts';
import { DetailsSchema } from './dump-facts.ts';
import { placeOf } from './inspect.ts';
import { createMarker, dropMarker, insertItem, readDetail, readMarker, requireMarker } from './marker.ts';
import { cleanDatabase, occupants } from './occupants.ts';
import { replay } from './replay.ts';
import { type RestoreInput, restoreInput, segmentsOf } from './restore-input.ts';
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
        await connection.query(`SELECT GET_LOCK(concat('lifeboat:', sha1(DATABASE())), ${LOCK_SECONDS})`, 'marking the target');
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
  const marker = await readMarker(connection);
  const samePlace = (await placeOf(connection)) === input.manifest.source.place;
  const database = `database "${connection.address.database}"`;
  if (samePlace && input.overwrite)
    throw new LifeboatError('TargetIsSource', `${database} is the one that the backup was made of; it is never overwritten`, {
      hint: 'Restore into another database.',
    });
  if (marker?.restore === input.restore) return;
  if (input.overwrite) {
    await cleanDatabase(connection);
    await dropMarker(connection);
    return createMarker(connection, input.restore);
  }
  if (marker !== undefined)
    throw new LifeboatError('TargetUnusable', `${database} holds a restore that did not end: ${marker.restore}, begun ${marker.since}`, {
      hint: 'Run that restore again to go on with it, restore with --overwrite, or drop the database.',
    });
  const found = await occupants(connection);
  if (found !== '' && samePlace)
    throw new LifeboatError('TargetIsSource', `${database} is the one that the backup was made of, and it is not empty: ${found}`, {
      hint: 'Restore into another database.',
    });
  if (found !== '')
    throw new LifeboatError('TargetNotEmpty', `${database} is not empty: ${found}`, {
      hint: 'Restore into an empty database, or with --overwrite.',
    });
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
