import { LifeboatError } from '../../../errors.ts';
import { isObject, type JsonObject, marshalIndent, objectOf, parseValue, type Value } from './json.ts';

/** What stands in a dump where a secret was. */
const REMOVED = 'removed';

/** The fields of a volume's format in the order in which juicefs writes them; those that it leaves out when they are empty say so. */
const FIELDS: readonly (readonly [name: string, empty: 'omit' | '' | 0 | false])[] = [
  ['Name', ''],
  ['UUID', ''],
  ['Storage', ''],
  ['StorageClass', 'omit'],
  ['Tiers', ''],
  ['Bucket', ''],
  ['AccessKey', 'omit'],
  ['SecretKey', 'omit'],
  ['SessionToken', 'omit'],
  ['BlockSize', 0],
  ['Compression', 'omit'],
  ['Shards', 'omit'],
  ['HashPrefix', 'omit'],
  ['Capacity', 'omit'],
  ['Inodes', 'omit'],
  ['EncryptKey', 'omit'],
  ['EncryptAlgo', 'omit'],
  ['KeyEncrypted', 'omit'],
  ['UploadLimit', 'omit'],
  ['DownloadLimit', 'omit'],
  ['TrashDays', 0],
  ['MetaVersion', 'omit'],
  ['MinClientVersion', 'omit'],
  ['MaxClientVersion', 'omit'],
  ['DirStats', 'omit'],
  ['UserGroupQuota', 'omit'],
  ['EnableACL', false],
  ['RangerRestUrl', 'omit'],
  ['RangerService', 'omit'],
  ['ChangeLog', 'omit'],
  ['ChangeLogMaxAge', 'omit'],
  ['ChangeLogMaxLines', 'omit'],
  ['KerbConf', 'omit'],
];

/** What a dump leaves out unless it is told to keep it. */
const SECRETS = ['SecretKey', 'SessionToken'] as const;
/** What no digest, manifest or report has. EncryptKey is the volume's own key, encrypted by a passphrase. */
const NEVER_SHOWN = new Set<string>([...SECRETS, 'EncryptKey']);

export interface Setting {
  readonly name: string;
  readonly uuid: string;
  readonly storage: string;
  readonly bucket: string;
  readonly trashDays: number;
  readonly aclEnabled: boolean;
  readonly value: JsonObject;
}

/** Reads the JSON of a volume's format. Fails with SourceProblem. */
export const parseSetting = (text: string): Setting => {
  let value: Value;
  try {
    value = parseValue(text);
  } catch (cause) {
    throw new LifeboatError('SourceProblem', 'the setting of the volume is not JSON', {
      hint: 'Is this a JuiceFS metadata engine?',
      cause,
    });
  }
  return settingOf(objectOf(value, 'Setting'));
};

export const settingOf = (value: JsonObject): Setting => {
  const text = (name: string): string => (typeof value[name] === 'string' ? value[name] : '');
  return {
    name: text('Name'),
    uuid: text('UUID'),
    storage: text('Storage'),
    bucket: text('Bucket'),
    trashDays: typeof value['TrashDays'] === 'number' ? value['TrashDays'] : 0,
    aclEnabled: value['EnableACL'] === true,
    value,
  };
};

/** The fields that juicefs knows, in its order, as a dump has them. */
export const settingForDump = (setting: Setting, keepSecrets: boolean): JsonObject => {
  const known = FIELDS.flatMap(([name, empty]): [string, Value][] => {
    const value = name === 'Tiers' ? tiersOf(setting.value) : setting.value[name];
    if (!isEmpty(value)) return [[name, hidden(name, value as Value, keepSecrets)]];
    return empty === 'omit' ? [] : [[name, value ?? empty]];
  });
  return Object.fromEntries(known);
};

const hidden = (name: string, value: Value, keep: boolean): Value => (!keep && SECRETS.some((secret) => secret === name) ? REMOVED : value);

const tiersOf = (value: JsonObject): Value => {
  const tiers = value['Tiers'];
  const storageClass = value['StorageClass'];
  if (!isObject(tiers) || Object.keys(tiers).length === 0)
    return new Map([['0', { ID: 0, StorageClass: typeof storageClass === 'string' ? storageClass : '', Tag: '' }]]);
  const sorted = Object.keys(tiers).sort();
  return new Map(sorted.map((id) => [id, tiers[id] as Value]));
};

const isEmpty = (value: Value | undefined): boolean =>
  value === undefined || value === null || value === '' || value === 0 || value === false || (Array.isArray(value) && value.length === 0);

/** Names of the secrets that were taken out of this setting. */
export const removedSecrets = (setting: Setting): readonly string[] => SECRETS.filter((name) => setting.value[name] === REMOVED);

/** Names of the secrets that this setting has. */
export const secretsIn = (setting: Setting): readonly string[] =>
  SECRETS.filter((name) => !isEmpty(setting.value[name]) && setting.value[name] !== REMOVED);

/** Field by field, without secrets, for the digest. */
export const publicFields = (setting: Setting): readonly (readonly [string, Value])[] =>
  Object.entries(settingForDump(setting, false)).filter(([name]) => !NEVER_SHOWN.has(name));

/** As the engines store it: one field a line. */
export const storedSetting = (value: JsonObject): string => marshalIndent(value, '', '');
