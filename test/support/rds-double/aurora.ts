/**
 * Aurora, as far as its API differs: clusters with snapshots of their own, and instances that are made apart. A cluster is kept like
 * an instance, among clusters; names are translated on the way in and on the way out.
 */
import {
  createInstance,
  deleteInstance,
  describeInstances,
  findInstance,
  instanceFields,
  modifyInstance,
  restoreInstance,
} from './instances.ts';
import { type Fields, type Form, type List, RdsError, type Value } from './query.ts';
import {
  accountAttributes,
  copySnapshot,
  createSnapshot,
  deleteSnapshot,
  describeSnapshots,
  shareSnapshot,
  startExport,
} from './snapshots.ts';
import { arnOf, type Caller, checkId, checkTags, keyOf, type State } from './state.ts';
import { timeline } from './status.ts';

type Operation = (state: State, caller: Caller, form: Form) => Fields;

export const auroraOperations = (clusters: State): Readonly<Record<string, Operation>> => {
  const translated =
    (operation: Operation): Operation =>
    (instances, caller, form) => {
      try {
        return outward(operation(clusters, caller, inward(form)), (id) => membersOf(instances, caller, id));
      } catch (error) {
        throw error instanceof RdsError ? new RdsError(codeOf(error.code), error.status, error.message) : error;
      }
    };
  return {
    DescribeDBClusters: translated(describeInstances),
    RestoreDBClusterFromSnapshot: translated((state, caller, form) => {
      form.need('Engine');
      return restoreInstance(state, caller, form);
    }),
    ModifyDBCluster: translated(modifyInstance),
    DeleteDBCluster: (instances, caller, form) => {
      const left = membersOf(instances, caller, form.need('DBClusterIdentifier')).filter(
        (id) => statusOf(instances, caller, id) !== 'deleting',
      );
      if (left.length > 0)
        throw new RdsError(
          'InvalidDBClusterStateFault',
          400,
          'Cluster cannot be deleted, it still contains DB instances in non-deleting state.',
        );
      return translated(deleteInstance)(instances, caller, form);
    },
    CreateDBClusterSnapshot: translated(createSnapshot),
    DescribeDBClusterSnapshots: translated(describeSnapshots),
    CopyDBClusterSnapshot: translated(copySnapshot),
    DeleteDBClusterSnapshot: translated(deleteSnapshot),
    ModifyDBClusterSnapshotAttribute: translated(shareSnapshot),
    StartExportTask: (instances, caller, form) =>
      (form.need('SourceArn').includes(':cluster-snapshot:') ? translated(startExport) : startExport)(instances, caller, form),
    DescribeAccountAttributes: (instances, caller) => accountAttributes(instances, clusters, caller),
    CreateDBInstance: (instances, caller, form) => {
      if (form.text('DBClusterIdentifier') === undefined) return createInstance(instances, caller, form);
      const cluster = findInstance(clusters, caller, form.need('DBClusterIdentifier'));
      return addMember(instances, caller, form, cluster.id);
    },
  };
};

const addMember = (state: State, caller: Caller, form: Form, clusterId: string): Fields => {
  const id = checkId(form, 'DBInstanceIdentifier', 63);
  if (state.instances.has(keyOf(caller, id))) throw new RdsError('DBInstanceAlreadyExists', 400, 'DB instance already exists');
  const member = {
    ...caller,
    id,
    arn: arnOf(caller, 'db', id),
    engineVersion: '18.4',
    instanceClass: form.need('DBInstanceClass'),
    dbName: undefined,
    kmsKey: undefined,
    network: { DBClusterIdentifier: clusterId },
    tags: checkTags(form),
    hollow: true,
    deletionProtection: false,
    password: '',
    cluster: undefined,
    secret: undefined,
    status: timeline(state.now(), [{ status: 'creating', ms: state.durations.restore }], 'available'),
  };
  state.instances.set(keyOf(caller, id), member);
  return { DBInstance: instanceFields(state, member) };
};

const membersOf = (state: State, caller: Caller, cluster: string): string[] =>
  [...state.instances.values()]
    .filter((one) => one.account === caller.account && one.region === caller.region && one.network['DBClusterIdentifier'] === cluster)
    .map(({ id }) => id);

const statusOf = (state: State, caller: Caller, id: string): string => findInstance(state, caller, id).status.at(state.now());

const IN: Readonly<Record<string, string>> = {
  DBInstanceIdentifier: 'DBClusterIdentifier',
  DBSnapshotIdentifier: 'DBClusterSnapshotIdentifier',
  SourceDBSnapshotIdentifier: 'SourceDBClusterSnapshotIdentifier',
  TargetDBSnapshotIdentifier: 'TargetDBClusterSnapshotIdentifier',
};

const inward = (form: Form): Form => {
  const text = (name: string): string | undefined =>
    (form.text(IN[name] ?? name) ?? (name === 'DBSnapshotIdentifier' ? form.text('SnapshotIdentifier') : undefined))?.replace(
      ':cluster-snapshot:',
      ':snapshot:',
    );
  return {
    ...form,
    text,
    need(name) {
      const value = text(name);
      if (value === undefined) throw new RdsError('MissingParameter', 400, `The request must contain the parameter ${IN[name] ?? name}`);
      return value;
    },
  };
};

const OUT: Readonly<Record<string, string>> = {
  DBInstances: 'DBClusters',
  DBInstance: 'DBCluster',
  DBInstanceIdentifier: 'DBClusterIdentifier',
  DBInstanceStatus: 'Status',
  DBInstanceArn: 'DBClusterArn',
  DBName: 'DatabaseName',
  DBSnapshots: 'DBClusterSnapshots',
  DBSnapshot: 'DBClusterSnapshot',
  DBSnapshotIdentifier: 'DBClusterSnapshotIdentifier',
  DBSnapshotArn: 'DBClusterSnapshotArn',
  Encrypted: 'StorageEncrypted',
  DBSnapshotAttributesResult: 'DBClusterSnapshotAttributesResult',
  DBSnapshotAttributes: 'DBClusterSnapshotAttributes',
  DBSnapshotAttribute: 'DBClusterSnapshotAttribute',
};

const outward = (fields: Fields, members: (cluster: string) => readonly string[]): Fields => {
  const entries = Object.entries(fields).flatMap(([name, value]): [string, Value][] => {
    if (name === 'Endpoint' && isFields(value))
      return [
        ['Endpoint', value['Address']],
        ['Port', value['Port']],
      ];
    // Texts of clusters, structures of instances.
    if (name === 'DBSubnetGroup' && isFields(value)) return [[name, value['DBSubnetGroupName']]];
    if (name === 'DBParameterGroups') return [];
    if (name === 'Engine') return [[name, 'aurora-postgresql']];
    if (name === 'AllocatedStorage') return [[name, 1]];
    return [[OUT[name] ?? name, outwardValue(value, members)]];
  });
  const own = Object.fromEntries(entries);
  const id = own['DBClusterIdentifier'];
  if (own['DBClusterArn'] === undefined || typeof id !== 'string') return own;
  const items = members(id).map((DBInstanceIdentifier, index) => ({ DBInstanceIdentifier, IsClusterWriter: index === 0 }));
  return { ...own, DBClusterMembers: { each: 'DBClusterMember', items } };
};

const outwardValue = (value: Value, members: (cluster: string) => readonly string[]): Value => {
  if (typeof value === 'string')
    return value.replace(
      /^(arn:aws:rds:[^:]*:[^:]*):(db|snapshot):/,
      (_, start, kind) => `${start}:${kind === 'db' ? 'cluster' : 'cluster-snapshot'}:`,
    );
  if (isList(value))
    return {
      each: OUT[value.each] ?? value.each,
      items: value.items.map((item) => (typeof item === 'string' ? item : outward(item, members))),
    };
  return isFields(value) ? outward(value, members) : value;
};

const isList = (value: Value): value is List => typeof value === 'object' && 'items' in value;
const isFields = (value: Value): value is Fields => typeof value === 'object' && !(value instanceof Date) && !('items' in value);

const codeOf = (code: string): string => {
  const renamed = code.replace('DBInstance', 'DBCluster').replace('DBSnapshot', 'DBClusterSnapshot');
  return renamed === code ? code : `${renamed.replace(/Fault$/, '')}Fault`;
};
