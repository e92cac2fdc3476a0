import { resolve } from 'node:path';
import { z } from 'zod';
import type { Json } from '../backup/types.ts';
import { LifeboatError } from '../errors.ts';
import { parseJson } from '../json.ts';
import { systemOf } from '../sources/registry.ts';
import type { Environment, SourceEntry, StoreEntry, TargetEntry } from './environment.ts';
import { describeIssues } from './issues.ts';
import { COMMON_FIELDS, type Common, CommonSchema, type EnvironmentFile, FileSchema } from './schema.ts';
import { controlBelow, resolveStore } from './store-url.ts';

type Drill = NonNullable<Common['drill']>;
type Fields = Readonly<Record<string, unknown>> & { readonly kind: string };

interface Place {
  readonly name: string;
  readonly root: string;
  /** Of the file, for messages. */
  readonly path?: string;
}

/** Checks and resolves what an environment file holds. Fails with ConfigInvalid, whose message names the field. */
export const parseEnvironment = (raw: unknown, place: Place): Environment => {
  const file = checked(FileSchema, raw, place, '');
  const targets = new Map<string, TargetEntry>(
    Object.entries(file.targets).map(([name, entry]) => [name, targetOf(entry, place, `targets.${name}`)]),
  );
  const sources = Object.entries(file.sources).map(([name, entry]): [string, SourceEntry] => [name, sourceOf(name, entry, targets, place)]);
  const store = inRegion(resolveStore(file.store, place.root), file.deployment?.region);
  return {
    name: place.name,
    root: place.root,
    store,
    control: file.control === undefined ? controlBelow(store) : inRegion(resolveStore(file.control, place.root), file.deployment?.region),
    ...embeddedOf(file, place.root),
    ...(file.deployment === undefined ? {} : { deployment: file.deployment }),
    sources: Object.fromEntries(sources),
    targets: Object.fromEntries(targets),
  };
};

/** A bucket is where the environment is deployed, unless it says otherwise: whoever reads it from elsewhere need not know. */
const inRegion = (store: StoreEntry, region: string | undefined): StoreEntry =>
  region === undefined || store.region !== undefined || !store.url.startsWith('s3:') ? store : { ...store, region };

/** The file form of an environment; parseEnvironment of it is the same environment, in another process or on AWS. */
export const environmentFile = (environment: Environment): Json => {
  const { name: _, root: _root, sources, targets, ...rest } = environment;
  const flat = ({ address, ...entry }: TargetEntry): unknown => ({ ...record(address), ...entry });
  const file = { ...rest, sources: mapValues(sources, flat), targets: mapValues(targets, flat) };
  return z.json().parse(parseJson(JSON.stringify(file)));
};

const embeddedOf = (file: EnvironmentFile, root: string): Pick<Environment, 'embedded'> =>
  file.embedded === undefined
    ? {}
    : { embedded: { postgres: { port: file.embedded.postgres.port, folder: resolve(root, file.embedded.postgres.folder) } } };

const targetOf = (entry: Fields, place: Place, path: string): TargetEntry => {
  const { kind, ...address } = entry;
  return { kind, address: systemIn({ kind, address }, place, path) };
};

const sourceOf = (name: string, entry: Fields, targets: Map<string, TargetEntry>, place: Place): SourceEntry => {
  const path = `sources.${name}`;
  const { kind, ...fields } = entry;
  const own = Object.entries(fields).filter(([field]) => !COMMON_FIELDS.includes(field));
  const shared = Object.entries(fields).filter(([field]) => COMMON_FIELDS.includes(field));
  const { drill, ...common } = checked(CommonSchema, Object.fromEntries(shared), place, path);
  const target = common.restore?.target;
  if (target !== undefined) mustBeThere(target, targets, place, `${path}.restore.target`);
  return {
    kind,
    address: systemIn({ kind, address: Object.fromEntries(own) }, place, path),
    ...common,
    ...(drill === undefined ? {} : { drill: drillOf(name, drill, targets, place) }),
  };
};

/** An address in place of a name becomes a target called `<source>-scratch`. */
const drillOf = (name: string, drill: Drill, targets: Map<string, TargetEntry>, place: Place): NonNullable<SourceEntry['drill']> => {
  const { scratch, ...rest } = drill;
  const path = `sources.${name}.drill.scratch`;
  if (scratch === undefined) return rest;
  if (typeof scratch === 'string') {
    mustBeThere(scratch, targets, place, path);
    return { ...rest, scratch };
  }
  const own = `${name}-scratch`;
  if (targets.has(own)) throw invalid(place, `${path}: there is a target called ${own}; name it instead`);
  targets.set(own, targetOf(scratch, place, path));
  return { ...rest, scratch: own };
};

const mustBeThere = (target: string, targets: ReadonlyMap<string, TargetEntry>, place: Place, path: string): void => {
  if (targets.has(target)) return;
  const known = [...targets.keys()];
  throw invalid(
    place,
    `${path}: no target called ${target}`,
    known.length === 0 ? 'The file has no targets.' : `There is ${known.join(', ')}.`,
  );
};

/** Checks an address and answers it in its resolved form. */
const systemIn = (entry: { readonly kind: string; readonly address: unknown }, place: Place, path: string): Json => {
  try {
    return systemOf(entry, path).address;
  } catch (error) {
    if (error instanceof LifeboatError && error.code === 'ConfigInvalid')
      throw invalid(place, error.message.startsWith(path) ? error.message : `${path}: ${error.message}`, error.hint);
    throw error;
  }
};

const checked = <T>(schema: z.ZodType<T>, raw: unknown, place: Place, path: string): T => {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  throw invalid(place, describeIssues(result.error, path));
};

const invalid = (place: Place, message: string, hint = 'environments/schema.json describes every field.'): LifeboatError =>
  new LifeboatError('ConfigInvalid', `${place.path ?? `environment ${place.name}`}: ${message}`, { hint });

const record = (value: Json): Readonly<Record<string, unknown>> => (typeof value === 'object' && value !== null ? { ...value } : {});

const mapValues = <T, U>(values: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]));
