import { createHash } from 'node:crypto';
import { LifeboatError } from '../errors.ts';
import type { BackupId } from './types.ts';

const ID = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z-[0-9a-f]{4}$/;

/** Hex digits of the hash of an ARN: enough to tell the few things apart that start in the same second. */
const SUFFIX_LENGTH = 4;

/** `20261121T013000Z-4f2a`: the second in UTC, and the start of the sha256 of the schedule's or execution's ARN. Fails with Usage on no time. */
export const backupId = (at: Date, arn: string): BackupId => {
  const id = `${compact(at)}-${createHash('sha256').update(arn).digest('hex').slice(0, SUFFIX_LENGTH)}`;
  if (!isBackupId(id))
    throw new LifeboatError('Usage', `no backup id can be made for the time ${String(at)}`, { hint: 'Give a time as in ISO 8601.' });
  return id;
};

/** The text as an id, or undefined when it is none (also when its time does not exist: 30 February). */
export const parseBackupId = (text: string): BackupId | undefined => (isBackupId(text) ? text : undefined);

export const isBackupId = (text: string): text is BackupId => {
  const time = parseTime(text);
  return time !== undefined && compact(time) === text.slice(0, -SUFFIX_LENGTH - 1);
};

/** The second that the id names. It is when the backup was due; when it was made is in the manifest. */
export const timeOf = (id: BackupId): Date => {
  const time = parseTime(id);
  if (time === undefined) throw new LifeboatError('Usage', `${id} is not a backup id`);
  return time;
};

const parseTime = (text: string): Date | undefined => {
  const parts = ID.exec(text);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second] = parts;
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`);
};

const compact = (at: Date): string => (Number.isNaN(at.getTime()) ? '' : `${at.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`);
