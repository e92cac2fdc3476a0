import type { BackupId } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { RdsAddress } from './address.ts';
import type { Api } from './api.ts';
import { exportId, snapshotId, TAG } from './names.ts';
import type { Reference } from './reference.ts';
import { type Later, later, type Snapshot } from './shapes.ts';

/** Statuses of an instance that pass by themselves; a snapshot can be made after them. */
const PASSING = new Set([
  'backing-up',
  'configuring-enhanced-monitoring',
  'configuring-iam-database-auth',
  'configuring-log-exports',
  'converting-to-vpc',
  'maintenance',
  'modifying',
  'moving-to-vpc',
  'rebooting',
  'renaming',
  'resetting-master-credentials',
  'starting',
  'storage-config-upgrade',
  'storage-initialization',
  'upgrading',
]);

/** Of an instance whose snapshot can be made at once; optimization goes on for hours and does not stand in the way. */
const READY = new Set(['available', 'storage-optimization']);

export const isReady = (status: string): boolean => READY.has(status);
export const isPassing = (status: string): boolean => PASSING.has(status);

/** Begins the snapshot of this backup, once, whichever attempt comes first. Says so when the instance must be waited for. */
export const beginSnapshot = async (api: Api, address: RdsAddress, backup: BackupId): Promise<Snapshot | Later> => {
  const id = snapshotId(address.instance, backup);
  const known = await api.snapshot(id);
  if (known !== undefined) return own(known, backup);
  const instance = await api.instance(address.instance);
  if (instance === undefined)
    throw new LifeboatError('NoSuchDatabase', `there is no DB instance ${address.instance} in ${api.region}`, {
      hint: 'Check instance and region.',
    });
  if (isPassing(instance.status)) return later(`instance ${address.instance} is ${instance.status}`);
  await api.createSnapshot(id, address.instance, { [TAG.backup]: backup });
  const made = await api.snapshot(id);
  return made === undefined ? later(`snapshot ${id} is not listed yet`) : own(made, backup);
};

/** The snapshot, when it can be read. Fails with SnapshotFailed when it never will. */
export const awaitSnapshot = async (api: Api, id: string, backup: BackupId): Promise<Snapshot | Later> => {
  const snapshot = await api.snapshot(id);
  if (snapshot === undefined)
    throw new LifeboatError('SnapshotFailed', `snapshot ${id} is gone`, {
      hint: 'Somebody deleted it while the backup ran; start a new backup.',
    });
  own(snapshot, backup);
  if (snapshot.status === 'available') return snapshot;
  if (snapshot.status === 'failed' || snapshot.status.startsWith('incompatible'))
    throw new LifeboatError('SnapshotFailed', `snapshot ${id} came to the status ${snapshot.status}`, {
      hint: 'The events of the instance say why (aws rds describe-events); start a new backup.',
    });
  return later(`snapshot ${id} is ${snapshot.status}, ${snapshot.percent} %`);
};

/** A snapshot of this name that does not carry the tag is somebody else's. */
const own = (snapshot: Snapshot, backup: BackupId): Snapshot => {
  if (snapshot.tags.get(TAG.backup) === backup) return snapshot;
  throw new LifeboatError('SnapshotAlreadyExists', `there is a snapshot ${snapshot.id} that backup ${backup} did not make`, {
    hint: 'Rename or delete it, or start a new backup, which gets another name.',
  });
};

/** Statuses of an export that will not become COMPLETE. */
const EXPORT_FAILED = new Set(['FAILED', 'CANCELED']);

export const awaitExport = async (
  api: Api,
  source: Snapshot,
  to: NonNullable<RdsAddress['export']>,
  backup: BackupId,
): Promise<NonNullable<Reference['export']> | Later> => {
  const id = exportId(backup);
  const task = await api.exportTask(id);
  if (task === undefined) {
    await api.startExport(id, source.arn, to);
    return later(`export ${id} has begun`);
  }
  if (EXPORT_FAILED.has(task.status))
    throw new LifeboatError('SnapshotFailed', `export ${id} to s3://${to.bucket} came to the status ${task.status}: ${task.why}`, {
      hint: 'Check the bucket, the role and the key of the export.',
    });
  return task.status === 'COMPLETE' ? { task: id, bucket: to.bucket, prefix: to.prefix ?? '' } : later(`export ${id} is ${task.status}`);
};
