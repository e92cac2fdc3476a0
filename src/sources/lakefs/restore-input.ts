import { z } from 'zod';
import { type RestoreInput, restoreInput as restoreOf } from '../../backup/restore-input.ts';
import type { Manifest, Segment } from '../../backup/types.ts';
import { isLifeboatError, LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Objects, Services, StageContext } from '../contract.ts';
import { isScratch, type LakefsAddress } from './address.ts';
import { type Details, detailsOf } from './gathered.ts';
import { contextOf } from './inventory.ts';
import { openNamespace } from './namespace.ts';

/** In the namespace while a restore into it has not ended; names the restore. */
const MARKER = '_lifeboat/restore.json';
const MARKER_MAX_BYTES = 64 * 1024;
const Marker = z.object({ restore: z.string(), repository: z.string() });

export const restoreInput = (context: StageContext): RestoreInput & { readonly details: Details } => {
  const input = restoreOf(context);
  return { ...input, details: detailsOf(input.manifest) };
};

export const segmentsOf = (manifest: Manifest, kind: ReturnType<typeof contextOf>['kind']): Segment[] =>
  manifest.segments.filter((segment) => contextOf(segment).kind === kind);

/** Where the restored repository keeps its data: as the address says, else where the backup's did. */
export const namespaceOf = (address: LakefsAddress, details: Details): string => address.namespace ?? details.repository.namespace;

/** Fails unless both repository and namespace are a drill's own. */
export const scratchNamespace = (address: LakefsAddress): string => {
  const { repository, namespace } = address;
  if (!isScratch(repository))
    throw new LifeboatError('TargetUnusable', `repository ${repository} is no scratch repository`, {
      hint: 'A drill makes and removes a repository of its own.',
    });
  if (namespace === undefined)
    throw new LifeboatError('TargetProblem', 'a drill needs a namespace for its scratch repository', {
      hint: 'Set namespace of the scratch target: s3://bucket/drills.',
    });
  if (!namespace.endsWith(`/${repository}`))
    throw new LifeboatError('TargetUnusable', `namespace ${namespace} is not that of scratch repository ${repository}`);
  return namespace;
};

export const openTargetNamespace = (address: LakefsAddress, services: Services, details: Details): Promise<Objects> =>
  openNamespace(address, services, namespaceOf(address, details));

export const readMarker = async (objects: Objects): Promise<z.output<typeof Marker> | undefined> => {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of objects.read(MARKER, { range: { start: 0, end: MARKER_MAX_BYTES } })) chunks.push(chunk);
  } catch (error) {
    if (isLifeboatError(error, 'NoSuchObject') || isLifeboatError(error, 'NoSuchStore')) return undefined;
    throw error;
  }
  try {
    return Marker.parse(parseJson(Buffer.concat(chunks).toString('utf8')));
  } catch (cause) {
    throw new LifeboatError('TargetUnusable', `${objects.url}/${MARKER} is no marker of a restore`, { cause });
  }
};

export const writeMarker = async (objects: Objects, restore: string, repository: string): Promise<void> => {
  await objects.create(MARKER, Buffer.from(`${JSON.stringify({ restore, repository })}\n`));
};

export const removeMarker = (objects: Objects): Promise<void> => objects.delete(MARKER);

export const isMarker = (key: string): boolean => key === MARKER;

/** Fails with TargetUnusable unless the marker is that of `restore`. */
export const requireMarker = async (objects: Objects, restore: string): Promise<void> => {
  const marker = await readMarker(objects);
  if (marker?.restore === restore) return;
  throw new LifeboatError(
    'TargetUnusable',
    `${objects.url} ${marker === undefined ? 'has no marker of this restore' : `is marked by another restore, ${marker.restore}`}`,
    {
      hint: 'Something else changed the target meanwhile; restore into an empty namespace.',
    },
  );
};
