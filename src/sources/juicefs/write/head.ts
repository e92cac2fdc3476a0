import { LifeboatError } from '../../../errors.ts';
import type { HeadToLoad } from '../engines/writer.ts';
import { bigOf, isObject, listOf, objectOf, type Value } from '../format/json.ts';
import { type Setting, settingForDump, settingOf, storedSetting } from '../format/setting.ts';
import type { DelFile, Quota, Sustained } from '../model.ts';

/** The newest form of metadata that is known here. */
const META_VERSION_MAX = 1;

/** Gathers the fields before the trees; fails with ArtifactInvalid when one is missing or wrong. */
export const headReader = () => {
  const fields = new Map<string, Value>();
  return {
    field(name: string, value: Value): void {
      if (fields.has(name)) throw new LifeboatError('ArtifactInvalid', `the dump has ${name} twice`);
      fields.set(name, value);
    },
    has: (name: string): boolean => fields.has(name),
    end: (): HeadToLoad => headOf(fields),
    setting: (): Setting => settingOf(objectOf(fields.get('Setting'), 'Setting')),
  };
};

const headOf = (fields: ReadonlyMap<string, Value>): HeadToLoad => {
  for (const name of ['Setting', 'Counters'])
    if (!fields.has(name))
      throw new LifeboatError('ArtifactInvalid', `not a JuiceFS dump: it has no ${name}`, {
        hint: 'Give a JSON dump of juicefs or lifeboat.',
      });
  const setting = settingOf(objectOf(fields.get('Setting'), 'Setting'));
  if (setting.uuid === '' || setting.name === '')
    throw new LifeboatError('ArtifactInvalid', 'the Setting of the dump has no Name or no UUID');
  const version = bigOf(setting.value['MetaVersion'] ?? 0, 'MetaVersion');
  if (version > BigInt(META_VERSION_MAX))
    throw new LifeboatError('VersionUnsupported', `the dump has metadata version ${version}, newer than ${META_VERSION_MAX}`, {
      hint: 'Upgrade Lifeboat.',
    });
  const counters = objectOf(fields.get('Counters'), 'Counters');
  const counter = (name: string): bigint => bigOf(counters[name] ?? 0, name);
  return {
    setting: storedSetting(settingForDump(setting, true)),
    counters: {
      usedSpace: counter('usedSpace'),
      usedInodes: counter('usedInodes'),
      nextInodes: counter('nextInodes'),
      nextChunk: counter('nextChunk'),
      nextSession: counter('nextSession'),
      nextTrash: counter('nextTrash'),
      nextCleanupSlices: counter('nextCleanupSlices'),
      lastChangelog: counter('lastChangelog'),
    },
    sustained: listOf(fields.get('Sustained'), 'Sustained').map(sustainedOf),
    delFiles: listOf(fields.get('DelFiles'), 'DelFiles').map(delFileOf),
    quotas: quotasOf(fields.get('Quotas'), 'Quotas'),
    userQuotas: quotasOf(fields.get('UserQuotas'), 'UserQuotas'),
    groupQuotas: quotasOf(fields.get('GroupQuotas'), 'GroupQuotas'),
  };
};

const sustainedOf = (value: Value): Sustained => {
  const one = objectOf(value, 'Sustained');
  return { sid: bigOf(one['sid'], 'sid'), inodes: listOf(one['inodes'], 'inodes').map((inode) => bigOf(inode, 'a sustained inode')) };
};

const delFileOf = (value: Value): DelFile => {
  const one = objectOf(value, 'DelFiles');
  return { inode: bigOf(one['inode'], 'inode'), length: bigOf(one['length'], 'length'), expire: bigOf(one['expire'], 'expire') };
};

const quotasOf = (value: Value | undefined, what: string): ReadonlyMap<bigint, Quota> => {
  if (value === undefined || value === null) return new Map();
  const quotas = isObject(value) ? value : objectOf(value, what);
  return new Map(
    Object.entries(quotas).map(([key, quota]) => {
      if (!/^\d{1,20}$/.test(key)) throw new LifeboatError('ArtifactInvalid', `${what} has the key "${key.slice(0, 30)}"`);
      const limits = objectOf(quota, what);
      return [
        BigInt(key),
        { maxSpace: bigOf(limits['maxSpace'] ?? -1, 'maxSpace'), maxInodes: bigOf(limits['maxInodes'] ?? -1, 'maxInodes') },
      ];
    }),
  );
};
