import type { Deployment } from '../src/environment/deployment.ts';
import type { Environment, SourceEntry, StoreEntry, TargetEntry } from '../src/environment/environment.ts';
import {
  alarmName,
  ENVIRONMENT_NAME,
  FUNCTION_NAME_MAX,
  functionName,
  MACHINE_NAME_MAX,
  MACHINES,
  machineName,
  ROLE_NAME_MAX,
  roleName,
} from '../src/environment/names.ts';
import { PURPOSES, STEPS } from '../src/environment/steps.ts';
import { DEFAULT_CONCURRENCY } from '../src/environment/world.ts';
import { LifeboatError } from '../src/errors.ts';
import { parseSecretReferences } from './secrets.ts';

/** A place in a bucket. */
export interface BucketPlace {
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
  readonly objectLock?: StoreEntry['objectLock'];
}

/** A source with the ARNs of the secrets that its steps may read. */
export interface DeployableSource {
  readonly name: string;
  readonly entry: SourceEntry;
  /** Where restores go, and where drills go. */
  readonly restore: TargetEntry | undefined;
  readonly scratch: TargetEntry | undefined;
  /** Buckets that the product has of its own. */
  readonly storage: NonNullable<Deployment['storage']>[string] | undefined;
  /** Of the system that is backed up. */
  readonly sourceSecrets: readonly string[];
  /** Of where restores go and of where drills go. */
  readonly targetSecrets: readonly string[];
  /** Of where drills go. */
  readonly scratchSecrets: readonly string[];
}

/** An environment that can be deployed: everything that a synthesis needs, checked. */
export interface Deployable {
  readonly environment: Environment;
  readonly name: string;
  readonly deployment: Deployment;
  readonly store: BucketPlace;
  readonly control: BucketPlace;
  readonly sources: readonly DeployableSource[];
}

/** Checks what only matters on AWS. Fails with ConfigInvalid, whose message names the field. */
export const deployable = (environment: Environment): Deployable => {
  const { name, deployment } = environment;
  const fail: Fail = failing(name);
  if (!ENVIRONMENT_NAME.test(name)) fail('its name', 'is part of every name on AWS: a-z, 0-9 and dashes, at most 20 of them');
  const store = placeOf(environment.store, 'store', fail);
  const control = placeOf(environment.control, 'control', fail);
  if (deployment === undefined)
    return fail('deployment', 'is missing', 'It says at least which account and region; environments/example.json is a whole one.');
  if (environment.embedded !== undefined) fail('embedded', 'is a server of one machine; there is nothing like it on AWS');
  for (const [field, place] of [
    ['store', environment.store],
    ['control', environment.control],
  ] as const) {
    if ((place.region ?? deployment.region) !== deployment.region)
      fail(`${field}.region`, `is ${place.region}, and deployment.region is ${deployment.region}: a Map reads its plan in its own region`);
  }
  if (control.objectLock !== undefined && control.bucket !== store.bucket)
    fail('control.objectLock', 'cannot be: what lies under control is replaced and expires');
  if (store.objectLock !== undefined && control.bucket === store.bucket)
    fail('control', 'has to be another bucket than the store, because the store has Object Lock');
  if (store.bucket === control.bucket && store.prefix.startsWith(control.prefix)) fail('control', 'lies over the store');
  for (const step of Object.keys(deployment.functions ?? {}))
    if (!(step in STEPS)) fail(`deployment.functions.${step}`, 'is no step', `Steps are ${Object.keys(STEPS).join(', ')}.`);
  for (const source of Object.keys(deployment.storage ?? {}))
    if (environment.sources[source] === undefined) fail(`deployment.storage.${source}`, 'is of no source');
  const sources = Object.keys(environment.sources).map((source) => sourceOf(environment, source, fail));
  if (sources.length === 0) fail('sources', 'is empty: there is nothing to back up');
  for (const [index, { about = [] }] of (deployment.notifications?.webhooks ?? []).entries())
    for (const unknown of about.filter((each) => !isTold(environment, each)))
      fail(
        `deployment.notifications.webhooks.${index}.about`,
        `has ${unknown}, which is neither a machine nor an alarm of this environment`,
      );
  return { environment, name, deployment, store, control, sources };
};

/** Whether anything of this name is ever told: a machine by its name, an alarm by how its name begins. */
const isTold = ({ name, sources }: Environment, about: string): boolean =>
  about.startsWith(alarmName(name, undefined, '')) ||
  Object.keys(sources).some((source) => MACHINES.some((machine) => machineName(name, source, machine) === about));

type Fail = (field: string, problem: string, hint?: string) => never;

const failing =
  (name: string): Fail =>
  (field, problem, hint = 'docs/aws.md says what a deployment needs.') => {
    throw new LifeboatError('ConfigInvalid', `environment ${name} cannot be deployed: ${field} ${problem}`, { hint });
  };

const placeOf = (entry: StoreEntry, field: string, fail: Fail): BucketPlace => {
  const url = new URL(entry.url);
  if (url.protocol !== 's3:') fail(field, `is ${entry.url}, a folder: there is nothing to deploy`, 'A deployment has its store in S3.');
  if (entry.endpoint !== undefined) fail(`${field}.endpoint`, 'names another server than S3');
  const prefix = decodeURIComponent(url.pathname).replace(/^\/|\/$/g, '');
  return {
    bucket: url.host,
    prefix: prefix === '' ? '' : `${prefix}/`,
    ...(entry.objectLock === undefined ? {} : { objectLock: entry.objectLock }),
  };
};

const sourceOf = (environment: Environment, name: string, fail: Fail): DeployableSource => {
  const entry = environment.sources[name];
  if (entry === undefined) return fail(`sources.${name}`, 'is missing');
  checkNames(environment.name, name, fail);
  checkReserved(environment, name, entry.concurrency ?? DEFAULT_CONCURRENCY, fail);
  const secretsOf = (target: string | undefined): readonly string[] =>
    target === undefined ? [] : parseSecretReferences(environment.targets[target]?.address ?? null, `targets.${target}`, fail);
  const scratchSecrets = secretsOf(entry.drill?.scratch);
  return {
    name,
    entry,
    restore: entry.restore?.target === undefined ? undefined : environment.targets[entry.restore.target],
    scratch: entry.drill?.scratch === undefined ? undefined : environment.targets[entry.drill.scratch],
    storage: environment.deployment?.storage?.[name],
    sourceSecrets: parseSecretReferences(entry.address, `sources.${name}`, fail),
    targetSecrets: [...new Set([...scratchSecrets, ...secretsOf(entry.restore?.target)])],
    scratchSecrets,
  };
};

const checkNames = (environment: string, source: string, fail: Fail): void => {
  const names: readonly (readonly [string, number])[] = [
    ...MACHINES.map((machine) => [machineName(environment, source, machine), MACHINE_NAME_MAX] as const),
    ...Object.keys(STEPS).map((step) => [functionName(environment, source, step), FUNCTION_NAME_MAX] as const),
    ...PURPOSES.map((purpose) => [roleName(environment, source, purpose), ROLE_NAME_MAX] as const),
    [alarmName(environment, source, ''), 200],
  ];
  for (const [name, max] of names)
    if (name.length > max)
      fail(
        `sources.${source}`,
        `makes the name ${name}, which has ${name.length} characters`,
        `AWS allows ${max}; shorten the source's name.`,
      );
};

/** Steps that a machine calls several times at once. */
const CALLED_AT_ONCE: readonly string[] = ['dump-task', 'load-task', 'audit-task'];

/** Lanes that hold an instant in turns. */
const HOLDERS = 2;

/** Children of a Map that Lambda refuses are retried; lanes that begin together, as those of MySQL do, would wait for one that never comes. */
const checkReserved = (environment: Environment, source: string, concurrency: number, fail: Fail): void => {
  for (const [step, { reservedConcurrency }] of Object.entries(environment.deployment?.functions ?? {})) {
    const needed = step === 'hold' ? HOLDERS : CALLED_AT_ONCE.includes(step) ? concurrency : 1;
    if (reservedConcurrency !== undefined && reservedConcurrency < needed)
      fail(
        `deployment.functions.${step}.reservedConcurrency`,
        `is ${reservedConcurrency}, and ${source} runs ${needed} of them at once`,
        step === 'hold' ? 'Two lanes hold an instant in turns.' : `Raise it, or lower sources.${source}.concurrency.`,
      );
  }
};
