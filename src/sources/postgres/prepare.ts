import type { Json } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Part, Services, Stage, TaskContext } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { cleanDatabase } from './clean.ts';
import { type Connection, versionOf } from './connect.ts';
import { DetailsSchema } from './dump-facts.ts';
import { placeOf } from './identity.ts';
import { claim, createMarkerSql, isDone, readMarker, requireMarker } from './marker.ts';
import { occupants } from './occupants.ts';
import { nothingSkipped, replay, type Skipped } from './replay.ts';
import { type RestoreInput, restoreInput, segmentsOf, statementsOf } from './restore-input.ts';
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
  const marker = await readMarker(session);
  const samePlace = (await placeOf(session)) === input.manifest.source.place;
  const database = `database "${session.address.database}"`;
  if (samePlace && input.overwrite) {
    throw new LifeboatError('TargetIsSource', `${database} is the one that the backup was made of; it is never overwritten`, {
      hint: 'Restore into another database and rename it when you have looked at it.',
    });
  }
  const ours = marker?.restore === input.restore;
  if (ours && (await isDone(session, PRE_DATA))) return session.write('COMMIT', 'marking the target');
  if (input.overwrite) {
    await session.write('COMMIT', 'marking the target');
    return cleanDatabase(session, input.restore);
  }
  if (marker !== undefined && !ours) {
    throw new LifeboatError('TargetUnusable', `${database} holds a restore that did not end: ${marker.restore}, begun ${marker.since}`, {
      hint: 'Run that restore again to go on with it, restore with --overwrite, or drop the database.',
    });
  }
  const found = await occupants(session);
  if (found !== '') {
    if (samePlace) {
      throw new LifeboatError('TargetIsSource', `${database} is the one that the backup was made of, and it is not empty: ${found}`, {
        hint: 'Restore into another database.',
      });
    }
    throw new LifeboatError('TargetNotEmpty', `${database} is not empty: ${found}`, {
      hint: 'Restore into an empty database, or with --overwrite.',
    });
  }
  if (!ours) await session.write(createMarkerSql(input.restore), 'marking the target');
  await session.write('COMMIT', 'marking the target');
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
