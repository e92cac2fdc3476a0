import type { Counters, DelFile, Head, Quotas, Sustained } from '../model.ts';
import { isLimited } from '../model.ts';
import { marshalIndent, type Value } from './json.ts';
import { parseSetting, settingForDump } from './setting.ts';

export interface HeadOptions {
  readonly keepSecrets: boolean;
  /** A dump of a folder has no quotas of users and groups. */
  readonly ofVolume: boolean;
}

const INDENT = '  ';

/** From `{` up to the comma before the first tree. */
export const writeHead = (head: Head, options: HeadOptions): string => {
  const fields: (readonly [string, Value])[] = [
    ['Setting', settingForDump(parseSetting(head.setting), options.keepSecrets)],
    ['Counters', countersOf(head.counters)],
    ['Sustained', sustainedOf(head.sustained)],
    ['DelFiles', delFilesOf(head.delFiles)],
    ...quotasField('Quotas', head.quotas),
  ];
  if (options.ofVolume)
    fields.push(...quotasField('UserQuotas', limited(head.userQuotas)), ...quotasField('GroupQuotas', limited(head.groupQuotas)));
  return `{\n${fields.map(([name, value]) => `${INDENT}"${name}": ${marshalIndent(value, INDENT)},\n`).join('')}`;
};

const countersOf = (counters: Counters): Value => ({
  usedSpace: counters.usedSpace,
  usedInodes: counters.usedInodes,
  nextInodes: counters.nextInodes,
  nextChunk: counters.nextChunk,
  nextSession: counters.nextSession,
  nextTrash: counters.nextTrash,
  ...(counters.nextCleanupSlices === 0n ? {} : { nextCleanupSlices: counters.nextCleanupSlices }),
  ...(counters.lastChangelog === 0n ? {} : { lastChangelog: counters.lastChangelog }),
});

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

const sustainedOf = (sustained: readonly Sustained[]): Value =>
  [...sustained].sort((a, b) => ascending(a.sid, b.sid)).map(({ sid, inodes }) => ({ sid, inodes: [...inodes].sort(ascending) }));

const delFilesOf = (files: readonly DelFile[]): Value =>
  [...files].sort((a, b) => ascending(a.inode, b.inode)).map(({ inode, length, expire }) => ({ inode, length, expire }));

const limited = (quotas: Quotas): Quotas => new Map([...quotas].filter(([, quota]) => isLimited(quota)));

const quotasField = (name: string, quotas: Quotas): (readonly [string, Value])[] => {
  if (quotas.size === 0) return [];
  const byKey = [...quotas].map(([key, { maxSpace, maxInodes }]): [string, Value] => [String(key), { maxSpace, maxInodes }]);
  return [[name, new Map(byKey.sort(([a], [b]) => (a < b ? -1 : 1)))]];
};
