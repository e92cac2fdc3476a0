import { LifeboatError } from '../../errors.ts';
import type { Facts, Problem } from '../contract.ts';
import type { RdsAddress } from './address.ts';
import type { Api } from './api.ts';
import { type Engine, engineNamed } from './engine.ts';
import type { Instance } from './shapes.ts';
import { isPassing, isReady } from './snapshot.ts';

/** Asks RDS alone: production sees no connection. Changes nothing. */
export const inspectInstance = async (api: Api, address: RdsAddress, engines: readonly Engine[]): Promise<Facts> => {
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
    problems: [...problemsOf(instance, address), ...(await quotaProblem(api, address))],
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
  ...keyProblems(instance, address),
];

/** The default key `aws/rds` belongs to AWS: nobody else can be given it, and it does not exist elsewhere. */
const keyProblems = (instance: Instance, { copies, share, region }: RdsAddress): Problem[] => {
  if (!instance.encrypted) return [];
  const abroad = copies.filter((copy) => copy.kmsKey === undefined && copy.region !== region).map((copy) => copy.region);
  return [
    ...(share !== undefined && share.kmsKey === undefined
      ? [
          {
            code: 'SnapshotNotShareable',
            message: `the snapshots of ${instance.id} are under the key ${instance.kmsKey ?? 'of AWS'}, and no key is named that other accounts can use`,
            hint: 'Name a customer managed key under share.kmsKey: the default key aws/rds cannot be shared, so a copy under that key is.',
          },
        ]
      : []),
    ...(abroad.length === 0
      ? []
      : [
          {
            code: 'CopyNeedsKey',
            message: `the snapshots of ${instance.id} are encrypted, and no key of ${abroad.join(', ')} is named for their copies`,
            hint: 'Name a key of that region under copies[].kmsKey: a key does not leave its region.',
          },
        ]),
  ];
};

const quotaProblem = async (api: Api, { share }: RdsAddress): Promise<Problem[]> => {
  const quota = await api.snapshotQuota();
  const needed = share?.kmsKey === undefined ? 1 : 2;
  if (quota === undefined || quota.used + needed <= quota.max) return [];
  return [
    {
      code: 'SnapshotQuotaExceeded',
      message: `${quota.used} of ${quota.max} manual snapshots are there in ${api.region}, ${needed} more ${needed === 1 ? 'is' : 'are'} needed`,
      hint: 'Delete old manual snapshots, keep fewer backups, or ask AWS for a higher quota.',
    },
  ];
};
