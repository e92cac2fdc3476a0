import { loadDigest } from '../../backup/digest.ts';
import type { ClassDigest } from '../../backup/types.ts';
import { INDEX_CLASS, indexRow, KEY_CLASS, keyRow, RULE_CLASS, ruleRow, SETTINGS_CLASS, settingsRow, shownSettings } from './classes.ts';
import type { DumpContents } from './dump/contents.ts';
import type { Rule } from './dump/rule.ts';

/** Digests of what a dump holds beside its documents, equal to those of the instance that it was made of. */
export const digestContents = async ({ indexes, keys, rules, features }: DumpContents): Promise<ClassDigest[]> => {
  const factory = await loadDigest();
  const ofIndexes = factory.open(INDEX_CLASS.name, INDEX_CLASS.columns);
  const ofSettings = factory.open(SETTINGS_CLASS.name, SETTINGS_CLASS.columns);
  const ofKeys = factory.open(KEY_CLASS.name, KEY_CLASS.columns);
  for (const index of indexes) {
    const [identity, settings] = [indexRow(index), settingsRow(index.uid, shownSettings(index.settings, features))];
    ofIndexes.add(identity.bytes, 0, identity.keyEnd);
    ofSettings.add(settings.bytes, 0, settings.keyEnd);
  }
  for (const { expires_at: expiresAt, ...key } of keys) {
    const row = keyRow({ ...key, expiresAt });
    if (row !== undefined) ofKeys.add(row.bytes, 0, row.keyEnd);
  }
  return [ofIndexes.end(), ofSettings.end(), ofKeys.end(), ...(await digestRules(rules))];
};

/** No class where there are no rules: few instances have any. */
export const digestRules = async (rules: readonly Rule[]): Promise<ClassDigest[]> => {
  if (rules.length === 0) return [];
  const digest = (await loadDigest()).open(RULE_CLASS.name, RULE_CLASS.columns);
  for (const rule of rules) {
    const row = ruleRow(rule);
    digest.add(row.bytes, 0, row.keyEnd);
  }
  return [digest.end()];
};
