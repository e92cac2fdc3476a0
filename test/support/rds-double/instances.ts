import { type Cluster, changePassword, endCluster, MASTER, makeCluster, newPassword, startCopy } from './clusters.ts';
import { type Fields, type Form, RdsError, tagList } from './query.ts';
import { findSnapshot } from './snapshots.ts';
import { arnOf, type Caller, checkId, checkKey, checkTags, type Instance, keyOf, type State } from './state.ts';
import { timeline } from './status.ts';

export const describeInstances = (state: State, caller: Caller, form: Form): Fields => {
  const wanted = form.text('DBInstanceIdentifier');
  const own = [...state.instances.values()].filter((one) => one.account === caller.account && one.region === caller.region);
  const items = wanted === undefined ? own : [findInstance(state, caller, wanted)];
  return { DBInstances: { each: 'DBInstance', items: items.map((one) => instanceFields(state, one)) } };
};

export const findInstance = (state: State, caller: Caller, id: string): Instance => {
  const found = state.instances.get(keyOf(caller, id.replace(/^arn:.*:/, '')));
  if (found === undefined) throw new RdsError('DBInstanceNotFound', 404, `DBInstance ${id} not found.`);
  return found;
};

export const instanceFields = (state: State, instance: Instance): Fields => {
  const status = instance.status.at(state.now());
  const { cluster, secret } = instance;
  return {
    DBInstanceIdentifier: instance.id,
    DBInstanceClass: instance.instanceClass,
    Engine: 'postgres',
    EngineVersion: instance.engineVersion,
    DBInstanceStatus: status,
    MasterUsername: MASTER,
    ...(instance.dbName === undefined ? {} : { DBName: instance.dbName }),
    // There is no address before there is a server.
    ...(cluster === undefined || status === 'creating' ? {} : { Endpoint: { Address: '127.0.0.1', Port: cluster.server.port } }),
    AllocatedStorage: 20,
    DBInstanceArn: instance.arn,
    StorageEncrypted: instance.kmsKey !== undefined,
    ...(instance.kmsKey === undefined ? {} : { KmsKeyId: instance.kmsKey }),
    DeletionProtection: instance.deletionProtection,
    ...instance.network,
    ...(secret === undefined ? {} : { MasterUserSecret: { SecretArn: secret.arn, SecretStatus: secret.status.at(state.now()) } }),
    TagList: tagList(instance.tags),
  };
};

export const restoreInstance = (state: State, caller: Caller, form: Form): Fields => {
  const id = checkId(form, 'DBInstanceIdentifier', 63);
  if (state.instances.has(keyOf(caller, id))) throw new RdsError('DBInstanceAlreadyExists', 400, 'DB instance already exists');
  if (form.text('ManageMasterUserPassword') !== undefined)
    throw new RdsError('InvalidParameterCombination', 400, 'ManageMasterUserPassword applies to RDS for Oracle only.');
  const snapshot = findSnapshot(state, caller, form.need('DBSnapshotIdentifier'));
  if (snapshot.status.at(state.now()) !== 'available')
    throw new RdsError('InvalidDBSnapshotState', 400, `DB snapshot ${snapshot.id} is not available`);
  checkKey(state, snapshot.kmsKey);
  const { folder, hollow } = snapshot;
  if (folder === undefined && !hollow) throw new Error(`snapshot ${snapshot.id} is available and has no data`);
  const ending = state.endings.get('RestoreDBInstanceFromDBSnapshot') ?? 'available';
  state.endings.delete('RestoreDBInstanceFromDBSnapshot');
  const work = ending === 'available' && folder !== undefined ? startCopy(folder) : Promise.resolve(undefined);
  const instance: Instance = {
    ...caller,
    id,
    arn: arnOf(caller, 'db', id),
    engineVersion: snapshot.engineVersion,
    instanceClass: form.text('DBInstanceClass') ?? 'db.t4g.medium',
    dbName: snapshot.dbName,
    kmsKey: snapshot.kmsKey,
    network: networkOf(form),
    tags: checkTags(form),
    hollow,
    deletionProtection: form.flag('DeletionProtection'),
    password: snapshot.password,
    cluster: undefined,
    secret: undefined,
    status: timeline(
      state.now(),
      [
        { status: 'creating', ms: state.durations.restore },
        { status: 'rebooting', ms: state.durations.rebooting },
      ],
      ending,
      work.then((cluster) => {
        instance.cluster = cluster;
      }),
    ),
  };
  state.instances.set(keyOf(caller, id), instance);
  return { DBInstance: instanceFields(state, instance) };
};

/** An empty cluster, with a password that is kept as RDS does. */
export const createInstance = (state: State, caller: Caller, form: Form): Fields => {
  const id = checkId(form, 'DBInstanceIdentifier', 63);
  if (state.instances.has(keyOf(caller, id))) throw new RdsError('DBInstanceAlreadyExists', 400, 'DB instance already exists');
  for (const name of ['Engine', 'AllocatedStorage', 'MasterUsername']) form.need(name);
  if (form.need('Engine') !== 'postgres') throw new RdsError('InvalidParameterValue', 400, 'this double has PostgreSQL only');
  const password = newPassword();
  const user = form.need('MasterUsername');
  const ending = state.endings.get('CreateDBInstance') ?? 'available';
  state.endings.delete('CreateDBInstance');
  const work = makeCluster(password, user, form.text('DBName'));
  const arn = secretArn(state, { ...caller, id });
  const instance: Instance = {
    ...caller,
    id,
    arn: arnOf(caller, 'db', id),
    engineVersion: form.text('EngineVersion') ?? '18.4',
    instanceClass: form.need('DBInstanceClass'),
    dbName: form.text('DBName'),
    kmsKey: undefined,
    network: networkOf(form),
    tags: checkTags(form),
    hollow: false,
    deletionProtection: form.flag('DeletionProtection'),
    password,
    cluster: undefined,
    secret: form.flag('ManageMasterUserPassword')
      ? { arn, status: timeline(state.now(), [{ status: 'creating', ms: state.durations.credentials }], 'active', work) }
      : undefined,
    status: timeline(
      state.now(),
      [
        { status: 'creating', ms: state.durations.restore },
        { status: 'backing-up', ms: state.durations.rebooting },
      ],
      ending,
      work.then((cluster) => {
        instance.cluster = cluster;
        state.secrets.set(arn, JSON.stringify({ username: user, password }));
      }),
    ),
  };
  state.instances.set(keyOf(caller, id), instance);
  return { DBInstance: instanceFields(state, instance) };
};

const secretArn = ({ kind }: State, { region, account, id }: Caller & { readonly id: string }): string =>
  `arn:aws:secretsmanager:${region}:${account}:secret:rds!${kind}-${id}-AbCdEf`;

const networkOf = (form: Form): Fields => ({
  PubliclyAccessible: form.flag('PubliclyAccessible'),
  MultiAZ: form.flag('MultiAZ'),
  BackupRetentionPeriod: Number(form.text('BackupRetentionPeriod') ?? 7),
  ...(form.text('DBSubnetGroupName') === undefined ? {} : { DBSubnetGroup: { DBSubnetGroupName: form.text('DBSubnetGroupName') } }),
  VpcSecurityGroups: {
    each: 'VpcSecurityGroupMembership',
    items: form.list('VpcSecurityGroupIds').map((VpcSecurityGroupId) => ({ VpcSecurityGroupId, Status: 'active' })),
  },
  ...(form.text('DBParameterGroupName') === undefined
    ? {}
    : {
        DBParameterGroups: {
          each: 'DBParameterGroup',
          items: [{ DBParameterGroupName: form.text('DBParameterGroupName'), ParameterApplyStatus: 'in-sync' }],
        },
      }),
});

export const modifyInstance = (state: State, caller: Caller, form: Form): Fields => {
  const instance = findInstance(state, caller, form.need('DBInstanceIdentifier'));
  const now = state.now();
  const status = instance.status.at(now);
  if (status !== 'available') throw new RdsError('InvalidDBInstanceState', 400, `Database instance is not in available state: ${status}`);
  if (form.text('DeletionProtection') !== undefined) instance.deletionProtection = form.flag('DeletionProtection');
  if (form.flag('ManageMasterUserPassword') && instance.secret === undefined) manageSecret(state, instance);
  return { DBInstance: instanceFields(state, instance) };
};

/** The status goes on saying `available` for a while; the secret is there at once, and not yet of use. */
const manageSecret = (state: State, instance: Instance): void => {
  const { cluster, password, hollow } = instance;
  if (cluster === undefined && !hollow) throw new Error(`instance ${instance.id} is available and has no server`);
  const arn = secretArn(state, instance);
  const next = newPassword();
  const changed = cluster === undefined ? Promise.resolve() : changePassword(cluster, password, next);
  const work = changed.then(() => {
    instance.password = next;
    state.secrets.set(arn, JSON.stringify({ username: MASTER, password: next }));
  });
  const { pending, credentials } = state.durations;
  instance.secret = { arn, status: timeline(state.now(), [{ status: 'creating', ms: pending + credentials }], 'active', work) };
  instance.status = timeline(
    state.now(),
    [
      { status: 'available', ms: pending },
      { status: 'resetting-master-credentials', ms: credentials },
    ],
    'available',
    work,
  );
};

/** Statuses that an instance cannot be deleted in. */
const BUSY = new Set(['creating', 'rebooting', 'resetting-master-credentials', 'modifying', 'backing-up']);

export const deleteInstance = (state: State, caller: Caller, form: Form): Fields => {
  const instance = findInstance(state, caller, form.need('DBInstanceIdentifier'));
  const status = instance.status.at(state.now());
  if (status === 'deleting') throw new RdsError('InvalidDBInstanceState', 400, `Instance ${instance.id} is already being deleted.`);
  if (BUSY.has(status))
    throw new RdsError('InvalidDBInstanceState', 400, `Instance ${instance.id} is currently ${status} - it cannot be deleted.`);
  if (instance.deletionProtection)
    throw new RdsError(
      'InvalidParameterCombination',
      400,
      'Cannot delete protected DB Instance, please disable deletion protection and try again.',
    );
  if (!form.flag('SkipFinalSnapshot'))
    throw new RdsError('InvalidParameterCombination', 400, 'FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.');
  const gone = end(state, instance, instance.cluster);
  instance.status = timeline(state.now(), [{ status: 'deleting', ms: state.durations.deleting }], 'gone', gone);
  return { DBInstance: instanceFields(state, instance) };
};

const end = async (state: State, instance: Instance, cluster: Cluster | undefined): Promise<void> => {
  instance.cluster = undefined;
  if (instance.secret !== undefined) state.secrets.delete(instance.secret.arn);
  if (cluster !== undefined) await endCluster(cluster);
};

/** What was being deleted is gone once its time is over. */
export const forgetDeleted = (state: State): void => {
  for (const [key, instance] of state.instances) if (instance.status.at(state.now()) === 'gone') state.instances.delete(key);
};
