import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { enableCompileCache } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';
import { backupsPrefix } from '../../src/backup/layout.ts';
import type { Progress } from '../../src/backup/progress.ts';
import type { Json } from '../../src/backup/types.ts';
import { adhoc } from '../../src/environment/adhoc.ts';
import type { Environment } from '../../src/environment/environment.ts';
import type { MachineName } from '../../src/environment/names.ts';
import { exitCodeOf, isLifeboatError, type LifeboatError } from '../../src/errors.ts';
import { type Clock, realClock } from '../../src/local/asl/clock.ts';
import { type ExecuteOptions, execute } from '../../src/local/executor.ts';
import type { Pool } from '../../src/local/pool.ts';
import { type Succeeded, succeeded } from '../../src/machines/ended.ts';
import { openStore } from '../../src/stores/open.ts';
import type { Store } from '../../src/stores/store.ts';
import { endless, leaseHolder, mustVerify, soundManifests } from '../support/checks.ts';
import { type FreshDatabase, freshDatabase, query } from '../support/postgres.ts';

/** The real thing, small: a PostgreSQL database, a folder as store, functions in processes. */

// The functions' processes share it, and start in half the time.
enableCompileCache(resolve(import.meta.dirname, '../../node_modules/.cache/lifeboat'));

export const SOURCE = 'catalog';

/** Retries that wait 2 s and more on AWS: here a twentieth. */
export const hastyClock: Clock = { ...realClock, sleep: (ms, signal) => realClock.sleep(ms / 20, signal) };

const SCHEMA = `
CREATE TABLE person (id int PRIMARY KEY, name text NOT NULL, note jsonb, upper_name text GENERATED ALWAYS AS (upper(name)) STORED);
INSERT INTO person SELECT n, 'Zoë ' || n, jsonb_build_object('n', n) FROM generate_series(1, 2000) n;
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, person int NOT NULL REFERENCES person, at timestamptz NOT NULL DEFAULT '2026-11-21');
INSERT INTO orders (person) SELECT 1 + n % 2000 FROM generate_series(1, 3000) n;
CREATE TABLE audit_log (line text);
INSERT INTO audit_log SELECT repeat('x', n % 50) FROM generate_series(1, 500) n;
CREATE INDEX ON orders (person);
CREATE VIEW recent AS SELECT * FROM orders WHERE at > '2026-01-01';`;

export interface Voyage {
  readonly database: FreshDatabase;
  readonly environment: Environment;
  /** The store's folder. */
  readonly folder: string;
  readonly store: Store;
  readonly control: Store;
  readonly progress: Progress[];
}

export interface VoyageOptions {
  /** Of the source, where it is not a fresh database on the shared server. */
  readonly url?: string;
  readonly to?: string;
  readonly scratch?: string;
  readonly folder?: string;
  /** SQL in place of the usual tables; false where they are there. */
  readonly fill?: string | false;
}

/** A database with some tables, and an environment that backs it up. Ends with the test, or when `ending` says. */
export const voyage = async (options: VoyageOptions = {}, ending: (end: () => Promise<void>) => void = onTestFinished): Promise<Voyage> => {
  const database = options.url === undefined ? await freshDatabase('faults') : { url: options.url, name: '', drop: async () => {} };
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'lifeboat-faults-'));
  ending(async () => {
    await database.drop();
    if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
  });
  if (options.fill !== false) await query(database.url, options.fill ?? SCHEMA);
  const environment = adhoc(
    { store: pathToFileURL(folder).href, from: database.url, sourceName: SOURCE, to: options.to, scratch: options.scratch },
    '/',
  );
  const withScratch =
    options.scratch === undefined
      ? environment
      : { ...environment, sources: { [SOURCE]: { ...sourceOf(environment), drill: { scratch: 'scratch' } } } };
  return {
    database,
    environment: withScratch,
    folder,
    store: await openStore(environment.store.url),
    control: await openStore(environment.control.url),
    progress: [],
  };
};

const sourceOf = (environment: Environment) => {
  const entry = environment.sources[SOURCE];
  if (entry === undefined) throw new Error('no source');
  return entry;
};

export interface Around {
  readonly pool: Pool;
  readonly step: string;
  /** How often this step was called before. */
  readonly nth: number;
  readonly payload: Json;
  call(): Promise<Json>;
}

export interface RunOptions extends Pick<ExecuteOptions, 'limits'> {
  readonly signal?: AbortSignal;
  /** Stands around each call of a function. */
  readonly around?: (call: Around) => Promise<Json>;
}

/** Runs a machine as the command line does; fails with the error that it ended with. */
export const run = async (
  { environment, progress }: Voyage,
  machine: MachineName,
  input: Readonly<Record<string, Json>> = {},
  options: RunOptions = {},
): Promise<Succeeded> => {
  const counts = new Map<string, number>();
  const { around } = options;
  const between = (pool: Pool): Pick<Pool, 'invoke'> => ({
    invoke(step, payload) {
      const nth = counts.get(step) ?? 0;
      counts.set(step, nth + 1);
      return around === undefined
        ? pool.invoke(step, payload)
        : around({ pool, step, nth, payload, call: () => pool.invoke(step, payload) });
    },
  });
  return succeeded(
    await execute(
      environment,
      machine,
      { source: SOURCE, ...input },
      {
        report: (line) => progress.push(line),
        signal: options.signal ?? new AbortController().signal,
        clock: hastyClock,
        onPool: between,
        ...(options.limits === undefined ? {} : { limits: options.limits }),
      },
    ),
  );
};

/** Does something once, before the first call of a step. */
export const before =
  (step: string, act: (pool: Pool) => Promise<unknown> | unknown): NonNullable<RunOptions['around']> =>
  async (call) => {
    if (call.step === step && call.nth === 0) await act(call.pool);
    return call.call();
  };

/** What a run failed with. */
export const failureOf = async (work: Promise<unknown>): Promise<LifeboatError> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (isLifeboatError(error)) return error;
  throw new Error(`expected a failure of ours, got ${String(error)}`, { cause: error });
};

export const exitOf = ({ code }: LifeboatError): number => exitCodeOf(code);

/** Number of backups that are listed, each of them whole. */
export const backupsIn = async ({ store }: Voyage): Promise<number> => {
  const manifests = await soundManifests(store, SOURCE);
  for (const manifest of manifests) await mustVerify(store, manifest);
  return manifests.length;
};

export const leaseOf = ({ control }: Voyage): Promise<string | undefined> => leaseHolder(control, SOURCE);

export const segmentFiles = async ({ store, folder }: Voyage, backup: string): Promise<string[]> => {
  const prefix = `${backupsPrefix(SOURCE)}${backup}/segments/`;
  const objects = await Array.fromAsync(store.list(prefix));
  return objects.map(({ key }) => join(folder, key));
};

export { endless };
