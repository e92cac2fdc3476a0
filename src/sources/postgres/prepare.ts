import { type RestoreInput, restoreInput } from '../../backup/restore-input.ts';
import { wayInto } from '../../backup/target-database.ts';
import type { Json } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Part, Services, Stage, TaskContext } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { cleanDatabase } from './clean.ts';
import { type Connection, versionOf } from './connect.ts';
import { DetailsSchema } from './dump-facts.ts';
import { placeOf } from './identity.ts';
import { claim, createMarkerSql, readMarker, requireMarker } from './marker.ts';
import { occupants } from './occupants.ts';
import { nothingSkipped, replay, type Skipped } from './replay.ts';
import { segmentsOf, statementsOf } from './restore-input.ts';
import { createScratch } from './scratch.ts';
import { classify } from './statement.ts';
import { type TargetSession, withTarget } from './target-session.ts';

/** Two restores that begin in one database at the same time take turns; the second meets the marker of the first. */
const LOCK_KEY = 0x6c626f61;
const PRE_DATA = 'pre-data';

/** Checks that the target may be written, marks it, and makes what comes before the rows: schemas, types, functions, tables. */
export const prepareStage = (address: PostgresAddress, services: Services): Stage => ({
  name: 'prepare',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context): Promise<Part> {
    const input = restoreInput(context);
    const locale = input.scratch ? await createScratch(address, services, DetailsSchema.parse(input.manifest.details).server) : 'target';
    const skipped = await withTarget(address, services, context.budget, async (session) => {
      refuseOlder(session, input);
      await take(session, input);
      await requireMarker(session, input.restore);
      return makeDefinitions(session, context, input);
    });
    return { segments: [], digests: [], facts: { locale, skipped: { ...skipped } } satisfies Json };
  },
});

function refuseOlder(session: Connection, { manifest }: RestoreInput): void {
  const [here, there] = [session.version, versionOf(manifest.source.version)].map((version) => Math.floor(version / 10_000));
  if (here === undefined || there === undefined || here >= there) return;
  throw new LifeboatError('TargetTooOld', `the target runs PostgreSQL ${here}, the backup is of PostgreSQL ${there}`, {
    hint: `Restore into PostgreSQL ${there} or newer.`,
  });
}

/** Marks the database as ours, if it may be: it is empty, or is to be overwritten, or this restore has begun here before. */
async function take(session: TargetSession, input: RestoreInput): Promise<void> {
  await session.write(`BEGIN; SELECT pg_advisory_xact_lock(${LOCK_KEY})`, 'marking the target');
  const way = wayInto(
    {
      name: session.address.database,
      marker: await readMarker(session),
      samePlace: (await placeOf(session)) === input.manifest.source.place,
      occupants: await occupants(session),
    },
    input,
  );
  if (way === 'take') await session.write(createMarkerSql(input.restore), 'marking the target');
  await session.write('COMMIT', 'marking the target');
  if (way === 'clean') await cleanDatabase(session, input.restore);
}

/** In one transaction with the item that says so. */
async function makeDefinitions(session: TargetSession, context: TaskContext, { manifest }: RestoreInput): Promise<Skipped> {
  const skipped = nothingSkipped();
  await session.write('BEGIN', 'making the definitions');
  if (!(await claim(session, PRE_DATA))) return skipped;
  for await (const text of statementsOf(context.read, segmentsOf(manifest, 'pre-data'))) {
    if (classify(text).kind !== 'transaction') await replay(session, text, skipped);
  }
  await session.write('COMMIT', 'making the definitions');
  return skipped;
}
