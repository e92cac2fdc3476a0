import type { Json } from '../../backup/types.ts';
import type { Key } from './api.ts';
import type { Rule } from './dump/rule.ts';
import { isRedacted } from './instance-files.ts';

/** Object classes beside the documents; docs/store-format.md says what a row of each is. */
export const INDEX_CLASS = { name: 'indexes', columns: ['uid', 'primaryKey'] } as const;
export const SETTINGS_CLASS = { name: 'settings', columns: ['uid', 'settings'] } as const;
export const KEY_CLASS = { name: 'keys', columns: ['uid', 'name', 'description', 'actions', 'indexes'] } as const;

export const RULE_CLASS = { name: 'rules', columns: ['uid', 'rule'] } as const;

export interface Row {
  readonly bytes: Uint8Array;
  /** The key is what comes before. */
  readonly keyEnd: number;
}

const row = (key: string, ...rest: readonly unknown[]): Row => {
  const start = Buffer.from(`[${JSON.stringify(key)}`);
  return { bytes: Buffer.concat([start, Buffer.from(`${rest.map((value) => `,${canonical(value)}`).join('')}]`)]), keyEnd: start.length };
};

/** Settings that the server shows, and takes, only while a feature is on; a dump that it wrote has them always. */
const OF_FEATURES = [
  { setting: 'chat', feature: 'chatCompletions' },
  { setting: 'foreignKeys', feature: 'foreignKeys' },
] as const;

/** Settings of a dump as the server would show them. */
export const shownSettings = (settings: Readonly<Record<string, Json>>, features: Readonly<Record<string, Json>>): Record<string, Json> => {
  const hidden: readonly string[] = OF_FEATURES.filter(({ feature }) => features[feature] !== true).map(({ setting }) => setting);
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !hidden.includes(name)));
};

/** Dates are not compared: no route sets them. */
export const indexRow = ({ uid, primaryKey }: { readonly uid: string; readonly primaryKey: string | null }): Row => row(uid, primaryKey);

/** Its date is not compared: no route sets it. */
export const ruleRow = ({ uid, lastUpdatedAt: _, ...says }: Rule): Row => row(uid, says);

/** Without secrets, which the server shows in part or not at all. */
export const settingsRow = (uid: string, settings: Readonly<Record<string, Json>>): Row => row(uid, withoutKeys(settings));

/** Undefined for a key that no route can make again: one that ends, and one for some indexes with an action for all. */
export const keyRow = ({
  uid,
  name,
  description,
  actions,
  indexes,
  expiresAt,
}: Pick<Key, 'uid' | 'name' | 'description' | 'actions' | 'indexes' | 'expiresAt'>): Row | undefined =>
  expiresAt !== null || !isRestorable({ actions, indexes })
    ? undefined
    : row(uid, name, description, [...actions].sort(), [...indexes].sort());

/** Actions that a key for some indexes may have; anything else is for the whole instance. */
const OF_INDEXES =
  /^(search|chatCompletions|(documents|indexes|tasks|settings|stats|dumps|snapshots)(\.[a-z*]+)?|chatsSettings\.[a-z*]+|metrics\.get|\*|\*\.get)$/;
const OF_INSTANCE = /^(version|keys|experimental|network|export|webhooks|dumps|snapshots)(\.|$)/;

export const isRestorable = ({ actions, indexes }: { readonly actions: readonly string[]; readonly indexes: readonly string[] }): boolean =>
  indexes.includes('*') || actions.every((action) => OF_INDEXES.test(action) && !OF_INSTANCE.test(action));

const withoutKeys = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(withoutKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, item]) => !(name === 'apiKey' && (item === null || typeof item === 'string')) && !isRedacted(item))
      .map(([name, item]) => [name, withoutKeys(item)]),
  );
};

/** JSON with the members of each object in order. */
const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, item]) => `${JSON.stringify(name)}:${canonical(item)}`).join(',')}}`;
};
