import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { objectsBelow } from '../backup/pool.ts';
import type { Report } from '../backup/progress.ts';
import type { Runtime } from '../backup/runtime.ts';
import { type DrillRecord, scratchName } from '../drill/record.ts';
import { LifeboatError } from '../errors.ts';
import type { RestoreRecord } from '../restore/record.ts';
import type { Source, Target } from '../sources/contract.ts';
import { kindNamed, systemOf } from '../sources/registry.ts';
import type { System } from '../sources/system.ts';
import { openStore } from '../stores/open.ts';
import { temporarySpool } from '../stores/spool.ts';
import type { Environment, SourceEntry, StoreEntry } from './environment.ts';
import { executionState } from './executions.ts';
import { openSecrets } from './secrets.ts';

/** Tasks at the same time where the environment does not say: two connections are what any database can spare. */
export const DEFAULT_CONCURRENCY = 2;

export const TOOL = 'lifeboat 0.1.0';

/** An environment opened: its stores, and its systems by name. */
export interface World {
  readonly environment: Environment;
  readonly runtime: Runtime;
  entry(source: string): SourceEntry;
  openSource(source: string): Promise<Source>;
  /** The target of a restore: a named one, or the scratch target of a drill. */
  openTarget(record: TargetRecord, drill?: DrillRecord): Promise<Target>;
  /** The scratch target of a drill, for records and reports; never a secret. */
  describeScratch(drill: DrillRecord): string;
}

type TargetRecord = Pick<RestoreRecord, 'source' | 'target' | 'drill'> & Partial<Pick<RestoreRecord, 'restored'>>;

export const openWorld = async (environment: Environment, report: Report): Promise<World> => {
  const temporary = process.env['LIFEBOAT_TMP'] ?? join(tmpdir(), 'lifeboat');
  const secrets = openSecrets({ env: process.env });
  const control = await open(environment.control);
  const runtime: Runtime = {
    store: await open(environment.store),
    control,
    services: {
      secret: secrets.resolve,
      now: () => new Date(),
      temporary,
      openObjects: async (url, options) => objectsBelow(await openStore(url, options), ''),
    },
    tool: TOOL,
    report,
    openSpool: () => temporarySpool(temporary),
    now: () => new Date(),
    sleep: async (milliseconds, signal) => {
      await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
    },
    executionState: (arn) => executionState(control, arn),
  };
  const entry = (source: string): SourceEntry => entryOf(environment, source);
  return {
    environment,
    runtime,
    entry,
    openSource: async (source) => await systemOf(entry(source), `sources.${source}`).source(runtime.services),
    openTarget: async (record, drill) => await targetSystem(environment, record, drill).target(runtime.services),
    describeScratch: (drill) => describeScratch(environment, drill),
  };
};

const open = ({ url, ...options }: StoreEntry) => openStore(url, options);

const entryOf = (environment: Environment, source: string): SourceEntry => {
  const entry = environment.sources[source];
  if (entry !== undefined) return entry;
  const known = Object.keys(environment.sources);
  throw new LifeboatError('UnknownSource', `environment ${environment.name} has no source called ${source}`, {
    hint: known.length === 0 ? 'It has no sources yet.' : `It has ${known.join(', ')}.`,
  });
};

/** Of names of scratch targets that no environment has to know: `own:juicefs`. */
const OWN = 'own:';

/** Names the place that a kind has for drills by itself. */
export const ownScratch = (kind: string): string | null => (kindNamed(kind).ownScratch === undefined ? null : `${OWN}${kind}`);

const targetSystem = (environment: Environment, record: TargetRecord, drill?: DrillRecord): System => {
  const name = drill === undefined ? record.target : drill.scratch;
  const own = drill !== undefined && name?.startsWith(OWN) === true ? kindNamed(name.slice(OWN.length)).ownScratch : undefined;
  if (drill !== undefined && own !== undefined) return own.scratch(scratchName(drill.drill));
  const entry = name === null ? undefined : environment.targets[name];
  if (name === null || entry === undefined)
    throw new LifeboatError('TargetMissing', name === null ? `no target for the restore of ${record.source}` : `no target called ${name}`, {
      hint: `A restore never goes to the source by itself. Give {"target": "<name of a target of the environment>"} or --to <url>.`,
    });
  const system = systemOf(entry, `targets.${name}`);
  if (record.restored !== undefined && record.restored !== null) return system.restored(record.restored.resource);
  return drill === undefined ? system : system.scratch(scratchName(drill.drill));
};

const describeScratch = (environment: Environment, drill: DrillRecord): string =>
  drill.scratch === null ? 'none' : targetSystem(environment, { source: drill.source, target: null, drill: drill.drill }, drill).redacted;
