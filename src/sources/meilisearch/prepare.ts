import { restoreInput } from '../../backup/restore-input.ts';
import type { Manifest } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { Budget, Services, Stage } from '../contract.ts';
import { type InstanceAddress, placeOf } from './address.ts';
import { enqueue, featuresOf, type Index, indexesOf, indexPath, keysOf, versionOf } from './api.ts';
import { contentsOf } from './artifact.ts';
import { type Client, withClient } from './client.ts';
import type { DumpContents } from './dump/contents.ts';
import { MARKER_INDEX, type Marker, mustEnd, readMarker, writeMarker } from './marker.ts';
import { rulesOf } from './rules.ts';

export interface Occupation {
  /** Names what is written down in the target. */
  readonly restore: string;
  readonly scratch: string | null;
  readonly overwrite: boolean;
}

/** Looks again whether the target may be written, marks it, makes room, and switches the features on that settings may need. */
export const prepareStage = (address: InstanceAddress, services: Services): Stage => ({
  name: 'prepare',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context) {
    const { restore, manifest, scratch, overwrite } = restoreInput(context);
    if (scratch) refuseSource(address, manifest);
    const contents = await contentsOf(context, manifest);
    await withClient(address, services, context.budget.signal, (client) =>
      prepare(client, contents, { restore, scratch: scratch ? (address.scratchName ?? restore) : null, overwrite }, context.budget),
    );
    return { segments: [], digests: [] };
  },
});

/** A drill never touches what it drills. */
const refuseSource = (address: InstanceAddress, { source }: Manifest): void => {
  if (placeOf(address) === source.place)
    throw new LifeboatError('TargetIsSource', `the scratch instance ${placeOf(address)} is the one that was backed up`, {
      hint: 'Give the drill an instance of its own that is empty.',
    });
};

export const prepare = async (client: Client, contents: DumpContents, how: Occupation, budget: Budget): Promise<void> => {
  refuseOlder(await versionOf(client), contents.dbVersion);
  await refuseWithoutKeys(client, contents);
  const indexes = await indexesOf(client);
  const marker = await readMarker(client);
  if (marker === undefined || marker.restore !== how.restore) refuseOccupied(client, indexes, contents, how, marker?.restore);
  if (marker?.restore !== how.restore) await writeMarker(client, await markerOf(client, how), budget);
  if (how.overwrite) await removeIndexes(client, sameUids(indexes, contents), budget);
  await switchFeatures(client, contents.features);
};

const markerOf = async (client: Client, { restore, scratch }: Occupation): Promise<Marker> => {
  const features = await featuresOf(client);
  return {
    restore,
    scratch,
    features,
    keys: ((await keysOf(client)) ?? []).map(({ uid }) => uid),
    rules: (await rulesOf(client, features)).map(({ uid }) => uid),
  };
};

/** Fails with TargetTooOld when the target would have to read what only a later version writes. */
export const refuseOlder = (version: string, dbVersion: string): void => {
  if (compareVersions(version, dbVersion) >= 0) return;
  throw new LifeboatError('TargetTooOld', `the target is Meilisearch ${version}, the backup is of ${dbVersion}`, {
    hint: 'Restore into the same version or a later one.',
  });
};

/** By major and minor version: a patch changes no format. */
const compareVersions = (left: string, right: string): number => {
  const [a, b] = [left, right].map((version) => version.split('.').slice(0, 2).map(Number));
  return (a?.[0] ?? 0) - (b?.[0] ?? 0) || (a?.[1] ?? 0) - (b?.[1] ?? 0);
};

const refuseWithoutKeys = async (client: Client, { keys }: DumpContents): Promise<void> => {
  if (keys.length > 0 && (await keysOf(client)) === undefined)
    throw new LifeboatError('TargetProblem', 'the target runs without a master key and can have no API keys', {
      hint: `The backup has ${keys.length}. Start the target with --master-key; with the same one, they have the same values.`,
    });
};

const refuseOccupied = (
  client: Client,
  indexes: readonly Index[],
  contents: DumpContents,
  how: Occupation,
  other: string | undefined,
): void => {
  const where = client.address.url;
  if (other !== undefined && other !== '' && !how.overwrite)
    throw new LifeboatError('TargetUnusable', `restore ${other} began at ${where} and did not end`, {
      hint: `What is there is not whole. Restore with --overwrite, or delete index ${MARKER_INDEX} and the others.`,
    });
  const others = indexes.filter(({ uid }) => uid !== MARKER_INDEX);
  if (how.scratch !== null && others.length > 0)
    throw new LifeboatError('TargetNotEmpty', `the scratch instance ${where} is not empty: ${named(others)}`, {
      hint: 'A drill needs an instance of its own without indexes.',
    });
  const same = sameUids(indexes, contents);
  if (same.length > 0 && !how.overwrite)
    throw new LifeboatError(
      'TargetNotEmpty',
      `the target ${where} has ${same.length === 1 ? 'an index' : 'indexes'} of the backup: ${same.slice(0, 5).join(', ')}`,
      {
        hint: 'Restore into an empty instance, or add --overwrite to replace those indexes.',
      },
    );
};

const sameUids = (indexes: readonly Index[], contents: DumpContents): string[] => {
  const wanted = new Set(contents.indexes.map(({ uid }) => uid));
  return indexes.map(({ uid }) => uid).filter((uid) => wanted.has(uid));
};

const named = (indexes: readonly Index[]): string =>
  indexes
    .slice(0, 5)
    .map(({ uid }) => uid)
    .join(', ');

export const removeIndexes = async (client: Client, uids: readonly string[], budget: Budget): Promise<void> => {
  const tasks: number[] = [];
  for (const uid of uids) tasks.push(await enqueue(client, 'DELETE', indexPath(uid)));
  await mustEnd(client, tasks, budget);
};

/** Those that the target has and that differ; it may be a later version that lacks some. */
const switchFeatures = async (client: Client, features: DumpContents['features']): Promise<void> => {
  const has = await featuresOf(client);
  const change = Object.fromEntries(Object.entries(features).filter(([name, value]) => name in has && has[name] !== value));
  if (Object.keys(change).length > 0) await client.request('PATCH', '/experimental-features', { json: change });
};
