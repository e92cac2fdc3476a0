import { isLifeboatError } from '../../errors.ts';
import type { Facts, Problem, Services } from '../contract.ts';
import { isScratch, type LakefsAddress } from './address.ts';
import { openNamespace, overlaps } from './namespace.ts';
import { branches, repositories, repository, version } from './rest/api.ts';
import type { Client } from './rest/client.ts';
import { connect, placeOf } from './session.ts';

/** Version, place, and every problem that would stop a backup. Changes nothing. */
export const inspectRepository = async (address: LakefsAddress, services: Services): Promise<Facts> => {
  const client = await connect(address, services);
  const found = await repository(client, address.repository);
  const problems: Problem[] = [];
  if (isScratch(address.repository))
    problems.push({
      code: 'ScratchRepository',
      message: `${address.repository} was made by a drill`,
      hint: 'Back up the repository itself.',
    });
  problems.push(...(await sharedNamespace(client, found.id, found.storage_namespace)));
  problems.push(...(await unreachable(address, services, found.storage_namespace)));
  if (!(await hasDefault(client, found.id, found.default_branch)))
    problems.push({
      code: 'NoDefaultBranch',
      message: `the default branch ${found.default_branch} of ${found.id} is not there`,
      hint: 'The repository is bare, or was restored with another default branch: create the branch, or restore it again.',
    });
  return { product: 'lakeFS', version: await version(client), place: placeOf(client, found.id), content: found.id, bytes: 0, problems };
};

const hasDefault = async (client: Client, name: string, wanted: string): Promise<boolean> => {
  for await (const { id } of branches(client, name, true)) if (id === wanted) return true;
  return false;
};

/** Two repositories on one namespace lose each other's objects to garbage collection. */
const sharedNamespace = async (client: Client, name: string, namespace: string): Promise<Problem[]> => {
  for await (const other of repositories(client)) {
    if (other.id === name || isScratch(other.id) || !overlaps(other.storage_namespace, namespace)) continue;
    return [
      {
        code: 'SharedNamespace',
        message: `${name} and ${other.id} both lie in ${namespace}`,
        hint: 'Garbage collection of one deletes objects of the other. Give one of them a namespace of its own.',
      },
    ];
  }
  return [];
};

const unreachable = async (address: LakefsAddress, services: Services, namespace: string): Promise<Problem[]> => {
  try {
    const objects = await openNamespace(address, services, namespace);
    for await (const _ of objects.list(`${address.metadataPrefix}/`)) return [];
    return [
      {
        code: 'EmptyNamespace',
        message: `nothing is found in ${objects.url}/${address.metadataPrefix}/`,
        hint: 'Check the access to the storage, and metadataPrefix.',
      },
    ];
  } catch (error) {
    if (!isLifeboatError(error) || error.retryable) throw error;
    return [{ code: error.code, message: error.message, hint: error.hint }];
  }
};
