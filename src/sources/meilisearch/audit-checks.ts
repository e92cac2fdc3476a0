import { z } from 'zod';
import { loadDigest } from '../../backup/digest.ts';
import { restoreInput } from '../../backup/restore-input.ts';
import type { Check, ClassDigest } from '../../backup/types.ts';
import type { Part, Services, TaskContext } from '../contract.ts';
import { featuresOf, type Index, type Key, keysOf, optionalJson, settingsOf } from './api.ts';
import { contentsOf, detailsOf, searchesOf } from './artifact.ts';
import { INDEX_CLASS, indexRow, KEY_CLASS, keyRow, SETTINGS_CLASS, settingsRow } from './classes.ts';
import type { Client } from './client.ts';
import { digestRules } from './digest-contents.ts';
import type { DumpContents } from './dump/contents.ts';
import { canBeMade } from './finish.ts';
import { printOf } from './instance-files.ts';
import { rulesOf } from './rules.ts';
import { ask } from './searches.ts';

/** Searches that are shown by name when they differ; the rest is counted. */
const SHOWN = 5;

/**
 * Indexes, settings and keys as they are on the target, its features, and the answers to the recorded searches. Values of keys are not
 * looked at where the master key was made up for the audit.
 */
export const auditInstance = async (
  client: Client,
  indexes: readonly Index[],
  context: TaskContext,
  services: Services,
  ownMasterKey = false,
): Promise<Part> => {
  const { manifest, scratch, overwrite } = restoreInput(context);
  const contents = await contentsOf(context, manifest);
  const keys = (await keysOf(client)) ?? [];
  const checks = [
    ...(await featureChecks(client, contents)),
    ...expiringKeys(contents, keys, services.now()),
    ...(ownMasterKey ? [] : masterKey(detailsOf(manifest).keyPrint, keys)),
    ...(await searchChecks(client, context)),
    ...(await counted(client, contents, scratch)),
  ];
  const rules = await rulesOf(client, await featuresOf(client));
  const ofKeys = keys.filter(({ uid }) => contents.keys.some((key) => key.uid === uid));
  return {
    segments: [],
    digests: [
      ...(await digestsOf(client, indexes, ofKeys, new Set(manifest.digests.map(({ name }) => name)))),
      ...(await digestRules(rules.filter(({ uid }) => !overwrite || contents.rules.some((rule) => rule.uid === uid)))),
    ],
    facts: z.json().parse({ checks }),
  };
};

/** A class without rows counts only where the backup has it: an instance without indexes has no settings. */
const digestsOf = async (
  client: Client,
  indexes: readonly Index[],
  keys: readonly Key[],
  expected: ReadonlySet<string>,
): Promise<ClassDigest[]> => {
  const factory = await loadDigest();
  const ofIndexes = factory.open(INDEX_CLASS.name, INDEX_CLASS.columns);
  const ofSettings = factory.open(SETTINGS_CLASS.name, SETTINGS_CLASS.columns);
  const ofKeys = factory.open(KEY_CLASS.name, KEY_CLASS.columns);
  for (const index of indexes) {
    const [identity, settings] = [indexRow(index), settingsRow(index.uid, await settingsOf(client, index.uid))];
    ofIndexes.add(identity.bytes, 0, identity.keyEnd);
    ofSettings.add(settings.bytes, 0, settings.keyEnd);
  }
  for (const key of keys) {
    const row = keyRow(key);
    if (row !== undefined) ofKeys.add(row.bytes, 0, row.keyEnd);
  }
  return [ofIndexes.end(), ofSettings.end(), ofKeys.end()].filter(({ name, rows }) => rows !== '0' || expected.has(name));
};

const featureChecks = async (client: Client, { features }: DumpContents): Promise<Check[]> => {
  const has = await featuresOf(client);
  return Object.entries(features)
    .filter(([, value]) => value === true)
    .map(([name]) =>
      check(`experimental feature ${name}`, 'on', has[name] === true ? 'on' : name in has ? 'off' : 'unknown to this version'),
    );
};

/** They end some day, so no digest can hold them. */
const expiringKeys = ({ keys }: DumpContents, there: readonly Key[], now: Date): Check[] =>
  keys
    .filter((key) => key.expires_at !== null && canBeMade(key, now))
    .map(({ uid }) => check(`API key ${uid}, which expires`, 'there', there.some((key) => key.uid === uid) ? 'there' : 'missing'));

/** Another master key is no fault of the backup; whoever restores must know. */
const masterKey = (print: { readonly uid: string; readonly print: string } | null, keys: readonly Key[]): Check[] => {
  const key = keys.find(({ uid }) => uid === print?.uid)?.key;
  if (print === null || key === undefined) return [];
  const same = printOf(key) === print.print;
  const said = same
    ? 'the same as at the backup: API keys have their old values'
    : 'another than at the backup: API keys have other values';
  return [{ name: 'master key', expected: said, actual: said, ok: true }];
};

const searchChecks = async (client: Client, context: TaskContext): Promise<Check[]> => {
  const { manifest } = restoreInput(context);
  const updatedAt = new Map(detailsOf(manifest).indexes.map((index) => [index.uid, index.updatedAt]));
  const searches = (await searchesOf(context, manifest)).filter((search) => search.updatedAt === updatedAt.get(search.index));
  if (searches.length === 0) return [];
  let same = 0;
  const different: Check[] = [];
  for (const search of searches) {
    const [expected, actual] = [search.expected, await ask(client, search)].map((values) => JSON.stringify(values));
    if (expected === actual) same++;
    else if (different.length < SHOWN)
      different.push(check(`search in ${search.index}: ${JSON.stringify(search.body)}`, expected ?? '', actual ?? ''));
  }
  return [...different, check('recorded searches that answer the same', String(searches.length), String(same))];
};

const ListSchema = z.object({ results: z.array(z.unknown()) });
const NetworkSchema = z.object({ remotes: z.record(z.string(), z.unknown()) });

/** Named as the assertions of the manifest; a drill leaves those of the outer world unanswered, since it makes none of them. */
const counted = async (client: Client, contents: DumpContents, scratch: boolean): Promise<Check[]> => {
  const list = async (path: string): Promise<number> => {
    const parsed = ListSchema.safeParse(await optionalJson(client, 'GET', path));
    return parsed.success ? parsed.data.results.length : 0;
  };
  const chats = [['chat workspaces', contents.chats.size, await list('/chats?limit=1000')]] as const;
  const found = scratch ? chats : [...chats, ...(await outer(client, contents, list))];
  return found.filter(([, expected]) => expected > 0).map(([name, expected, actual]) => check(name, String(expected), String(actual)));
};

const outer = async (
  client: Client,
  { webhooks, network }: DumpContents,
  list: (path: string) => Promise<number>,
): Promise<(readonly [string, number, number])[]> => {
  const there = NetworkSchema.safeParse(await optionalJson(client, 'GET', '/network'));
  return [
    ['webhooks', Object.keys(webhooks).length, await list('/webhooks')],
    ['network remotes', Object.keys(network?.remotes ?? {}).length, there.success ? Object.keys(there.data.remotes).length : 0],
  ];
};

const check = (name: string, expected: string, actual: string): Check => ({ name, expected, actual, ok: expected === actual });
