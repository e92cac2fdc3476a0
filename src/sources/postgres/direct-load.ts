import { LifeboatError } from '../../errors.ts';
import type { Budget, Loaded, LoadOptions, Services, TaskContext } from '../contract.ts';
import type { PostgresAddress } from './address.ts';
import { stateChecks } from './audit-checks.ts';
import { cleanDatabase } from './clean.ts';
import { copyIn } from './copy-in.ts';
import { DROP_MARKER_SQL, readMarker } from './marker.ts';
import { occupants } from './occupants.ts';
import { naming, nothingSkipped, replay, type Skipped } from './replay.ts';
import { readScript } from './script.ts';
import { classify } from './statement.ts';
import { type TargetSession, withTarget } from './target-session.ts';

interface ScriptLoad {
  readonly rows: number;
  readonly skipped: Skipped;
}

/** A load from a stream takes as long as the stream; its signal ends it. */
const untilAborted = (signal: AbortSignal): Budget => ({ remaining: () => Number.POSITIVE_INFINITY, signal });

/**
 * Loads a script (a backup's artifact, or pg_dump's plain format) into an empty database, in one session and one transaction. A script
 * that is cut anywhere leaves nothing and fails with ArtifactInvalid.
 */
export const directLoad = (
  address: PostgresAddress,
  services: Services,
  bytes: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): Promise<Loaded> =>
  withTarget(address, services, untilAborted(options.signal), async (session) => {
    if (options.overwrite) {
      // What was there is gone only if what comes is whole: the script's BEGIN changes nothing within this one.
      await session.write('BEGIN', 'loading');
      await cleanDatabase(session, 'a load');
      await session.write(DROP_MARKER_SQL, 'loading');
    } else await refuseOccupied(session);
    const { rows } = await loadScript(session, bytes, options.progress);
    return { rows: String(rows), checks: await stateChecks(session) };
  });

async function refuseOccupied(session: TargetSession): Promise<void> {
  const database = `database "${session.address.database}"`;
  const marker = await readMarker(session);
  if (marker !== undefined) {
    throw new LifeboatError('TargetUnusable', `${database} holds a restore that did not end: ${marker.restore}`, {
      hint: 'Run that restore again to go on with it, load with --overwrite, or drop the database.',
    });
  }
  const found = await occupants(session);
  if (found !== '')
    throw new LifeboatError('TargetNotEmpty', `${database} is not empty: ${found}`, {
      hint: 'Load into an empty database, or with --overwrite.',
    });
}

/** As directLoad, without a look at what is there. Its session is of no more use when it fails. */
export async function loadScript(
  session: TargetSession,
  bytes: AsyncIterable<Uint8Array>,
  progress: TaskContext['progress'],
): Promise<ScriptLoad> {
  const skipped = nothingSkipped();
  const transaction = scriptTransaction();
  let rows = 0;
  // A script that names no schema means the one that psql would take.
  await session.write('SET search_path TO DEFAULT', 'setting up the session');
  for await (const item of readScript(bytes)) {
    if (item.kind === 'meta') continue;
    if (item.kind === 'end') {
      transaction.end();
      continue;
    }
    const text = item.kind === 'sql' ? item.text : item.statement;
    for (const sql of transaction.before(text)) await session.write(sql, naming(sql));
    if (item.kind === 'sql') await replay(session, item.text, skipped);
    else {
      const doing = naming(item.statement);
      const copied = await copyIn(session, item.statement, item.rows, doing, (size) => progress({ rows: 0, bytes: size, what: doing }));
      progress({ rows: copied, bytes: 0, what: doing });
      rows += copied;
    }
  }
  for (const sql of transaction.after()) await session.write(sql, naming(sql));
  return { rows, skipped };
}

const CUT = { hint: 'The file is cut, or is no whole dump: get it again. Nothing was changed.' };

/** Sees to it that a script is one transaction: its own, from BEGIN to COMMIT, or ours around pg_dump's, which has none. */
function scriptTransaction() {
  let state: 'new' | 'its own' | 'ours' | 'committed' = 'new';
  let ended = false;
  return {
    /** What to run before the statement. */
    before(text: string): readonly string[] {
      const statement = classify(text);
      const control = statement.kind === 'transaction' ? (statement.ends ? 'end' : 'begin') : undefined;
      if (state === 'committed') throw new LifeboatError('ArtifactInvalid', `the script goes on after its COMMIT: ${naming(text)}`);
      if (state === 'new') {
        state = control === 'begin' ? 'its own' : 'ours';
        if (state === 'its own') return [];
        if (control === undefined) return ['BEGIN'];
      }
      if (control === undefined) return [];
      if (state === 'its own' && /^(?:COMMIT|END)$/i.test(text)) {
        state = 'committed';
        return [];
      }
      throw new LifeboatError('ArtifactInvalid', `the script has a transaction within its transaction: ${naming(text)}`, {
        hint: 'Run it with psql -X -v ON_ERROR_STOP=1.',
      });
    },
    end(): void {
      ended = true;
    },
    /** What to run after the last statement; fails when the script did not say that it is whole. */
    after(): readonly string[] {
      if (state === 'committed') return [];
      if (state === 'ours' && ended) return ['COMMIT'];
      const missing = state === 'its own' ? 'without its COMMIT' : 'without the last line of pg_dump';
      throw new LifeboatError('ArtifactInvalid', `the script ends ${missing}`, CUT);
    },
  };
}
