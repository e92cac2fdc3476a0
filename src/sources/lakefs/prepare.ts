import type { RestoreInput } from '../../backup/restore-input.ts';
import { LifeboatError } from '../../errors.ts';
import type { Objects, Services, Stage } from '../contract.ts';
import type { LakefsAddress } from './address.ts';
import { overlaps } from './namespace.ts';
import { branches, findRepository, repositories } from './rest/api.ts';
import type { Client } from './rest/client.ts';
import { isMarker, namespaceOf, openTargetNamespace, readMarker, restoreInput, scratchNamespace, writeMarker } from './restore-input.ts';
import { connect, placeOf } from './session.ts';

/** Looks at everything that could be overwritten, and marks the namespace. */
export const prepareStage = (address: LakefsAddress, services: Services): Stage => ({
  name: 'prepare',
  mode: 'independent',
  async *plan() {
    yield { task: {} };
  },
  async run(_task, context) {
    const input = restoreInput(context);
    if (input.scratch) scratchNamespace(address);
    const client = await connect(address, services, context.budget.signal);
    refuseGuess(client, address, input);
    const namespace = namespaceOf(address, input.details);
    const objects = await openTargetNamespace(address, services, input.details);
    const marker = await readMarker(objects);
    if (marker?.restore !== input.restore) {
      if (marker !== undefined && !input.overwrite)
        throw new LifeboatError(
          'TargetUnusable',
          `${namespace} holds a restore that did not end: ${marker.restore}, of repository ${marker.repository}`,
          {
            hint: 'Run that restore again, restore with --overwrite, or empty the namespace.',
          },
        );
      await refuseRepository(client, address.repository, input);
      await refuseNamespace(client, address.repository, namespace);
      if (namespace !== input.details.repository.namespace && !input.overwrite) await refuseOccupied(objects);
      if (marker !== undefined) await objects.delete('_lifeboat/restore.json');
      await writeMarker(objects, input.restore, address.repository);
    }
    return { segments: [], digests: [], facts: { repository: address.repository, namespace } };
  },
});

/** Another server cannot say whether the repository still lives where it was: that its namespace is free is for people to say. */
const refuseGuess = (client: Client, address: LakefsAddress, { manifest, details }: ReturnType<typeof restoreInput>): void => {
  if (address.namespace !== undefined) return;
  if (placeOf(client, details.repository.name) === manifest.source.place) return;
  throw new LifeboatError('TargetProblem', `in which namespace ${address.repository} shall lie on ${client.login.api} is not said`, {
    hint: `Add namespace=s3://bucket/prefix; namespace=${details.repository.namespace} if the first server is gone, or has lost the repository.`,
  });
};

const refuseRepository = async (client: Client, name: string, { manifest, overwrite }: RestoreInput): Promise<void> => {
  const found = await findRepository(client, name);
  if (found === undefined || (await isBare(client, name))) return;
  const place = placeOf(client, name);
  if (place === manifest.source.place)
    throw new LifeboatError('TargetIsSource', `repository ${name} at ${client.login.api} is the one that the backup was made of`, {
      hint: 'Restore under another name (a clone), or delete the repository first. Its objects stay when it is deleted.',
    });
  if (overwrite) return;
  throw new LifeboatError('TargetNotEmpty', `repository ${name} at ${client.login.api} is not bare`, {
    hint: 'Restore under another name, delete the repository, or restore with --overwrite.',
  });
};

export const isBare = async (client: Client, name: string): Promise<boolean> => {
  for await (const _ of branches(client, name, true)) return false;
  return true;
};

/** lakeFS itself makes two repositories on one namespace without a word; garbage collection of one then destroys the other. */
export const refuseNamespace = async (client: Client, name: string, namespace: string): Promise<void> => {
  for await (const other of repositories(client))
    if (other.id !== name && overlaps(other.storage_namespace, namespace))
      throw new LifeboatError(
        'TargetNotEmpty',
        `repository ${other.id} lies in ${other.storage_namespace}, which ${namespace} would share`,
        {
          hint: 'Restore into a namespace of its own (namespace=s3://bucket/prefix).',
        },
      );
};

const refuseOccupied = async (objects: Objects): Promise<void> => {
  for await (const { key } of objects.list(''))
    if (!isMarker(key))
      throw new LifeboatError('TargetNotEmpty', `${objects.url} is not empty: it has ${key}`, {
        hint: 'Restore into an empty namespace, or with --overwrite, which adds to what is there and replaces nothing.',
      });
};
