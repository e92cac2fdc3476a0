import type { BackupId } from '../../backup/types.ts';

/** Names and tags of what Lifeboat makes in RDS. Nothing without its own tag is ever deleted. */

export const TAG = {
  /** Of snapshots: the backup that they are of. */
  backup: 'lifeboat:backup',
  /** Of instances: the backup, restore or drill that made it. */
  owner: 'lifeboat:owner',
  /** Of throw-away instances: ISO 8601, when anybody may remove it. */
  expires: 'lifeboat:expires',
} as const;

/** What every scratch instance of a drill is called; the drill gives the whole name. */
export const SCRATCH_PREFIX = 'lifeboat-drill-';
export const CLONE_PREFIX = 'lifeboat-clone-';

export const isThrowAway = (id: string): boolean => id.startsWith(SCRATCH_PREFIX) || id.startsWith(CLONE_PREFIX);

/** Of the instance's name; snapshots of clusters may have 63 characters in all, `-shared` included. */
const NAME_MAX = 25;

/** The same for every attempt of one backup. */
export const snapshotId = (instance: string, backup: BackupId): string =>
  `lifeboat-${instance.slice(0, NAME_MAX).replace(/-$/, '')}-${backup}`.toLowerCase();

/** Under the key that other accounts may use. */
export const sharedId = (instance: string, backup: BackupId): string => `${snapshotId(instance, backup)}-shared`;

/** At most 63 characters, as the backup's id alone says which instance it is of. */
export const cloneId = (backup: BackupId): string => `${CLONE_PREFIX}${backup}`.toLowerCase();

/** At most 60 characters. */
export const exportId = (backup: BackupId): string => `lifeboat-${backup}`.toLowerCase();

/** `arn:aws:iam::210987654321:role/copies` is of 210987654321, the ARN of a snapshot likewise. */
export const accountOf = (arn: string): string => arn.split(':')[4] ?? '';
