import { copyCluster } from './clusters.ts';
import { findInstance } from './instances.ts';
import { type Fields, type Form, RdsError, tagList } from './query.ts';
import { arnOf, type Caller, checkId, checkKey, checkTags, defaultKey, keyOf, type Snapshot, type State } from './state.ts';
import { timeline } from './status.ts';

/** Of this account by name; of another one by ARN, when that one shared it. */
export const findSnapshot = (state: State, caller: Caller, name: string): Snapshot => {
  const found = name.startsWith('arn:')
    ? [...state.snapshots.values()].find((one) => one.arn === name && (one.account === caller.account || one.shared.has(caller.account)))
    : state.snapshots.get(keyOf(caller, name));
  if (found === undefined) throw new RdsError('DBSnapshotNotFound', 404, `DBSnapshot ${name} not found.`);
  return found;
};

export const describeSnapshots = (state: State, caller: Caller, form: Form): Fields => {
  const wanted = form.text('DBSnapshotIdentifier');
  const own = [...state.snapshots.values()].filter((one) => one.account === caller.account && one.region === caller.region);
  const [instance, type] = [form.text('DBInstanceIdentifier'), form.text('SnapshotType')];
  const items =
    wanted === undefined
      ? own.filter((one) => (instance ?? one.instance) === one.instance && (type ?? one.type) === one.type)
      : [findSnapshot(state, caller, wanted)];
  return { DBSnapshots: { each: 'DBSnapshot', items: items.map((one) => snapshotFields(state, one)) } };
};

const snapshotFields = (state: State, snapshot: Snapshot): Fields => ({
  DBSnapshotIdentifier: snapshot.id,
  DBInstanceIdentifier: snapshot.instance,
  DBSnapshotArn: snapshot.arn,
  SnapshotCreateTime: new Date(snapshot.startedAt),
  Engine: 'postgres',
  EngineVersion: snapshot.engineVersion,
  AllocatedStorage: 20,
  Port: 5432,
  MasterUsername: 'postgres',
  SnapshotType: snapshot.type,
  Status: snapshot.status.at(state.now()),
  PercentProgress: snapshot.status.percent(state.now()),
  Encrypted: snapshot.kmsKey !== undefined,
  ...(snapshot.kmsKey === undefined ? {} : { KmsKeyId: snapshot.kmsKey }),
  ...(snapshot.sourceArn === undefined ? {} : { SourceDBSnapshotIdentifier: snapshot.sourceArn }),
  TagList: tagList(snapshot.tags),
});

const checkQuota = (state: State, caller: Caller): void => {
  if (manualOf(state, caller) >= state.snapshotQuota)
    throw new RdsError('SnapshotQuotaExceeded', 400, 'Cannot create more than the allowed number of manual snapshots');
};

const checkNew = (state: State, caller: Caller, id: string): void => {
  if (state.snapshots.has(keyOf(caller, id)))
    throw new RdsError(
      'DBSnapshotAlreadyExists',
      400,
      `Cannot create the snapshot because a snapshot with the identifier ${id} already exists.`,
    );
};

export const createSnapshot = (state: State, caller: Caller, form: Form): Fields => {
  const id = checkId(form, 'DBSnapshotIdentifier', 255);
  const instance = findInstance(state, caller, form.need('DBInstanceIdentifier'));
  checkNew(state, caller, id);
  const status = instance.status.at(state.now());
  if (status !== 'available') throw new RdsError('InvalidDBInstanceState', 400, `Instance ${instance.id} is currently ${status}`);
  checkQuota(state, caller);
  checkKey(state, instance.kmsKey);
  const { cluster, password, engineVersion, dbName, kmsKey } = instance;
  if (cluster === undefined && !instance.hollow) throw new Error(`instance ${instance.id} is available and has no server`);
  const copy = async () => (cluster === undefined ? undefined : copyCluster(cluster, password));
  return add(state, 'CreateDBSnapshot', state.durations.snapshot, copy, {
    ...caller,
    id,
    arn: arnOf(caller, 'snapshot', id),
    instance: instance.id,
    type: 'manual',
    engineVersion,
    dbName,
    kmsKey,
    password,
    startedAt: state.now(),
    tags: checkTags(form),
    sourceArn: undefined,
    hollow: instance.hollow,
    shared: new Set(),
    folder: undefined,
  });
};

export const copySnapshot = (state: State, caller: Caller, form: Form): Fields => {
  const source = findSnapshot(state, caller, form.need('SourceDBSnapshotIdentifier'));
  const id = checkId(form, 'TargetDBSnapshotIdentifier', 255);
  checkNew(state, caller, id);
  if (source.status.at(state.now()) !== 'available')
    throw new RdsError('InvalidDBSnapshotState', 400, `DB snapshot ${source.id} is not available`);
  const abroad = source.region !== caller.region;
  if (abroad && form.text('PreSignedUrl') === undefined)
    throw new RdsError('InvalidParameterValue', 400, 'PreSignedUrl is required for a copy from another region');
  const kmsKey = form.text('KmsKeyId') ?? (source.kmsKey === undefined ? undefined : form.text('KmsKeyId'));
  if (source.kmsKey !== undefined && kmsKey === undefined && (abroad || source.account !== caller.account))
    throw new RdsError(
      'InvalidParameterCombination',
      400,
      'KmsKeyId is required to copy an encrypted snapshot to another region or account',
    );
  checkKey(state, source.kmsKey);
  checkKey(state, kmsKey, caller.region);
  checkQuota(state, caller);
  const tags = new Map([...(form.flag('CopyTags') ? source.tags : []), ...checkTags(form)]);
  return add(state, 'CopyDBSnapshot', state.durations.copy, async () => source.folder, {
    ...source,
    ...caller,
    id,
    arn: arnOf(caller, 'snapshot', id),
    type: 'manual',
    kmsKey: kmsKey ?? source.kmsKey,
    startedAt: state.now(),
    tags,
    sourceArn: source.arn,
    shared: new Set(),
    folder: undefined,
  });
};

const add = (state: State, action: string, ms: number, copy: () => Promise<string | undefined>, made: Omit<Snapshot, 'status'>): Fields => {
  const ending = state.endings.get(action) ?? 'available';
  state.endings.delete(action);
  const work = copy();
  const snapshot: Snapshot = {
    ...made,
    status: timeline(state.now(), [{ status: action === 'CopyDBSnapshot' ? 'copying' : 'creating', ms }], ending, work),
  };
  work.then((folder) => (snapshot.folder = folder)).catch(() => {});
  state.snapshots.set(keyOf(made, made.id), snapshot);
  return { DBSnapshot: snapshotFields(state, snapshot) };
};

export const deleteSnapshot = (state: State, caller: Caller, form: Form): Fields => {
  const snapshot = findSnapshot(state, caller, form.need('DBSnapshotIdentifier'));
  if (snapshot.type !== 'manual')
    throw new RdsError('InvalidDBSnapshotState', 400, 'Automated snapshots cannot be deleted by this operation');
  const status = snapshot.status.at(state.now());
  if (status !== 'available' && status !== 'failed')
    throw new RdsError('InvalidDBSnapshotState', 400, `DB snapshot ${snapshot.id} is ${status}`);
  state.snapshots.delete(keyOf(snapshot, snapshot.id));
  return { DBSnapshot: { ...snapshotFields(state, snapshot), Status: 'deleted' } };
};

export const shareSnapshot = (state: State, caller: Caller, form: Form): Fields => {
  const snapshot = findSnapshot(state, caller, form.need('DBSnapshotIdentifier'));
  if (form.need('AttributeName') !== 'restore') throw new RdsError('InvalidParameterValue', 400, 'AttributeName must be restore');
  const accounts = form.list('ValuesToAdd');
  if (snapshot.kmsKey === defaultKey(snapshot) && accounts.length > 0)
    throw new RdsError(
      'InvalidDBSnapshotState',
      400,
      'DB snapshots encrypted with the default RDS KMS key cannot be shared with other accounts',
    );
  for (const account of accounts) snapshot.shared.add(account);
  for (const account of form.list('ValuesToRemove')) snapshot.shared.delete(account);
  return {
    DBSnapshotAttributesResult: {
      DBSnapshotIdentifier: snapshot.id,
      DBSnapshotAttributes: {
        each: 'DBSnapshotAttribute',
        items: [{ AttributeName: 'restore', AttributeValues: { each: 'AttributeValue', items: [...snapshot.shared] } }],
      },
    },
  };
};

export const startExport = (state: State, caller: Caller, form: Form): Fields => {
  const id = form.need('ExportTaskIdentifier');
  if (state.exports.has(keyOf(caller, id))) throw new RdsError('ExportTaskAlreadyExists', 400, `The export task ${id} already exists`);
  const source = findSnapshot(state, caller, form.need('SourceArn'));
  checkKey(state, form.need('KmsKeyId'));
  form.need('IamRoleArn');
  const ending = state.endings.get('StartExportTask') ?? 'COMPLETE';
  state.endings.delete('StartExportTask');
  const status = timeline(
    state.now(),
    [
      { status: 'STARTING', ms: 1 },
      { status: 'IN_PROGRESS', ms: state.durations.export },
    ],
    ending,
  );
  state.exports.set(keyOf(caller, id), {
    id,
    source: source.arn,
    bucket: form.need('S3BucketName'),
    prefix: form.text('S3Prefix') ?? '',
    status,
  });
  return { ExportTaskIdentifier: id, SourceArn: source.arn, Status: 'STARTING' };
};

export const describeExports = (state: State, _caller: Caller, form: Form): Fields => {
  const wanted = form.text('ExportTaskIdentifier');
  const items = [...state.exports.values()].filter(({ id }) => wanted === undefined || id === wanted);
  if (wanted !== undefined && items.length === 0) throw new RdsError('ExportTaskNotFound', 404, `The export task ${wanted} does not exist`);
  return {
    ExportTasks: {
      each: 'ExportTask',
      items: items.map(({ id, source, bucket, prefix, status }) => ({
        ExportTaskIdentifier: id,
        SourceArn: source,
        S3Bucket: bucket,
        S3Prefix: prefix,
        Status: status.at(state.now()),
        PercentProgress: status.percent(state.now()),
        ...(status.at(state.now()) === 'FAILED' ? { FailureCause: 'The S3 bucket does not exist.' } : {}),
      })),
    },
  };
};

export const accountAttributes = (instances: State, clusters: State, caller: Caller): Fields => ({
  AccountQuotas: {
    each: 'AccountQuota',
    items: [
      { AccountQuotaName: 'ManualClusterSnapshots', Used: manualOf(clusters, caller), Max: clusters.snapshotQuota },
      { AccountQuotaName: 'ManualSnapshots', Used: manualOf(instances, caller), Max: instances.snapshotQuota },
    ],
  },
});

const manualOf = (state: State, caller: Caller): number =>
  [...state.snapshots.values()].filter((one) => one.type === 'manual' && one.account === caller.account && one.region === caller.region)
    .length;
