import { isLifeboatError, LifeboatError } from '../../errors.ts';
import type { Facts, Problem } from '../contract.ts';
import type { RdsAddress } from './address.ts';
import type { Api } from './api.ts';
import type { OpenApi, Place } from './clients.ts';
import { copiesElsewhere, sharedWith } from './copies.ts';
import { engineNamed } from './engine.ts';
import { keyProblems } from './keys.ts';
import type { Means } from './means.ts';
import { accountOf } from './names.ts';
import type { Instance } from './shapes.ts';
import { isPassing, isReady } from './snapshot.ts';

/** Asks RDS alone: production sees no connection. Changes nothing. */
export const inspectInstance = async ({ address, engines, clients }: Means): Promise<Facts> => {
  const api = await clients.home();
  const instance = await api.instance(address.instance);
  if (instance === undefined)
    throw new LifeboatError('NoSuchDatabase', `there is no DB instance ${address.instance} in ${api.region}`, {
      hint: 'Check instance and region.',
    });
  return {
    product: engineNamed(engines, instance.engine).product,
    version: instance.engineVersion,
    place: instance.arn,
    content: address.database ?? instance.database ?? instance.id,
    bytes: instance.bytes,
    problems: [
      ...problemsOf(instance, address),
      ...keyProblems(instance, address, api.region),
      ...(await quotaProblems(api, instance, address)),
      ...(await Promise.all(copiesElsewhere(address).map((place) => reachProblems(clients.open, place)))).flat(),
    ],
  };
};

const problemsOf = (instance: Instance, address: RdsAddress): Problem[] => [
  ...(instance.cluster === undefined || address.cluster
    ? []
    : [
        {
          code: 'ClusterMember',
          message: `instance ${instance.id} belongs to cluster ${instance.cluster}, whose snapshots are of the cluster`,
          hint: `Give "instance": "${instance.cluster}" and "cluster": true.`,
        },
      ]),
  ...(isReady(instance.status) || isPassing(instance.status)
    ? []
    : [
        {
          code: 'InvalidDBInstanceState',
          message: `instance ${instance.id} is ${instance.status}; no snapshot can be made`,
          hint: 'Start or repair the instance first.',
        },
      ]),
  ...(address.mode === 'snapshot' || (address.database ?? instance.database) !== undefined
    ? []
    : [
        {
          code: 'DatabaseUnknown',
          message: `instance ${instance.id} was made without a database`,
          hint: 'Give "database" in the environment file.',
        },
      ]),
  ...(address.cluster && address.mode === 'clone-dump' && address.placement.instanceClass === undefined
    ? [
        {
          code: 'InstanceClassMissing',
          message: `no instance class is named for clones of cluster ${instance.id}`,
          hint: 'Name one under placement.instanceClass: a cluster is restored without instances.',
        },
      ]
    : []),
];

/** A copy to share is a second manual snapshot. */
const quotaProblems = (api: Api, instance: Instance, address: RdsAddress): Promise<Problem[]> =>
  quotaProblem(api, sharedWith(address).length > 0 && address.share?.kmsKey !== instance.kmsKey ? 2 : 1, api.region);

const quotaProblem = async (api: Api, needed: number, where: string): Promise<Problem[]> => {
  const quota = await api.snapshotQuota();
  if (quota === undefined || quota.used + needed <= quota.max) return [];
  return [
    {
      code: 'SnapshotQuotaExceeded',
      message: `${quota.used} of ${quota.max} manual snapshots are there in ${where}, ${needed} more ${needed === 1 ? 'is' : 'are'} needed`,
      hint: 'Delete old manual snapshots, keep fewer backups, or ask AWS for a higher quota.',
    },
  ];
};

/** Whether the other region or account lets in, and has room: asked before anything is made. */
const reachProblems = async (open: OpenApi, place: Place): Promise<Problem[]> => {
  const where = place.role === undefined ? `${place.region}` : `account ${accountOf(place.role.arn)} in ${place.region}`;
  try {
    return await quotaProblem(await open(place), 1, where);
  } catch (error) {
    if (!isLifeboatError(error) || error.retryable) throw error;
    return [{ code: 'CopyRefused', message: `no copy can be made in ${where}: ${error.message}`, hint: error.hint }];
  }
};
