import { LifeboatError } from '../errors.ts';
import type { BackupId, Ordinal } from './types.ts';

/** Every key of a store and its control area; docs/store-format.md draws them. Prefixes end with a slash, or as far as they are common. */

export const FORMAT_KEY = 'lifeboat.json';

const SOURCE_NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;
/** Ids of runs, restores and drills: one path part of printable ASCII. */
const PART = /^(?!\.{1,2}$)[!-.0-~]{1,200}$/;
const STAGE = /^[a-z0-9][a-z0-9-]{0,39}$/;
const EXTENSION = /^[a-z0-9]{1,16}(\.[a-z0-9]{1,16}){0,3}$/;
const SHA256 = /^[0-9a-f]{64}$/;

/** Hex digits of the sha256 in a segment's key: attempts with other bytes get other keys. */
const SHA_IN_KEY = 8;

export const isSourceName = (text: string): boolean => SOURCE_NAME.test(text);

export const sourcePrefix = (source: string): string => `${checked(source, SOURCE_NAME, 'source name')}/`;
export const backupsPrefix = (source: string): string => `${sourcePrefix(source)}backups/`;
export const backupPrefix = (source: string, backup: BackupId): string => `${backupsPrefix(source)}${part(backup)}/`;
export const manifestKey = (source: string, backup: BackupId): string => `${backupPrefix(source, backup)}manifest.json`;
export const restoreGuideKey = (source: string, backup: BackupId): string => `${backupPrefix(source, backup)}RESTORE.md`;

/** Of all receipts of one stage. */
export const receiptsPrefix = (source: string, backup: BackupId, stage: string): string =>
  `${backupPrefix(source, backup)}receipts/${checked(stage, STAGE, 'stage name')}.`;
export const receiptKey = (source: string, backup: BackupId, stage: string, task: number, n: number): string =>
  `${receiptsPrefix(source, backup, stage)}${digits(task, 6)}.${digits(n, 4)}.json`;

/** Below the backup: `segments/000001.0000-4f2a91bc.sql.zst`. */
export const segmentKey = (ordinal: Ordinal, sha256: string, extension: string): string =>
  `${segmentKeyStart(ordinal, checked(sha256, SHA256, 'sha256'))}${checked(extension, EXTENSION, 'extension')}`;
/** What a segment's key begins with, up to the dot before its extension. */
export const segmentKeyStart = (ordinal: Ordinal, sha256: string): string => `segments/${ordinal}-${sha256.slice(0, SHA_IN_KEY)}.`;

/** Of what a source's backups share: content copied as it is. */
export const objectsPrefix = (source: string): string => `${sourcePrefix(source)}objects/`;

export const proofsPrefix = (source: string, backup?: BackupId): string =>
  `${sourcePrefix(source)}proofs/${backup === undefined ? '' : `${part(backup)}/`}`;
export const proofKey = (source: string, backup: BackupId, drill: string, extension: 'json' | 'html'): string =>
  `${proofsPrefix(source, backup)}${part(drill)}.${extension}`;

// In the control area.
export const leaseKey = (source: string): string => `${sourcePrefix(source)}lease.json`;
export const runPrefix = (source: string, run: string): string => `${sourcePrefix(source)}runs/${part(run)}/`;
export const planPrefix = (source: string, run: string, stage: string): string =>
  `${runPrefix(source, run)}plans/${checked(stage, STAGE, 'stage name')}/`;
export const instantsPrefix = (source: string, backup: BackupId): string => `${runPrefix(source, backup)}instants/`;
export const releasedKey = (source: string, backup: BackupId): string => `${runPrefix(source, backup)}released.json`;
export const scratchPrefix = (source: string): string => `${sourcePrefix(source)}scratch/`;
export const scratchKey = (source: string, drill: string): string => `${scratchPrefix(source)}${part(drill)}.json`;

const part = (text: string): string => checked(text, PART, 'part of a key');

const digits = (n: number, length: number): string =>
  checked(String(n).padStart(length, '0'), new RegExp(`^\\d{${length}}$`), `${length}-digit number`);

const checked = (text: string, pattern: RegExp, what: string): string => {
  if (!pattern.test(text))
    throw new LifeboatError('StoreKeyInvalid', `${JSON.stringify(text.slice(0, 80))} is not a ${what}`, {
      hint:
        pattern === SOURCE_NAME
          ? 'A source is named with a-z, 0-9 and dashes, at most 40 of them.'
          : 'This name cannot be part of a key in a store.',
    });
  return text;
};
