import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Json } from '../../backup/types.ts';
import { featuresOf, type Key, keysOf, optionalJson, type Settings, versionOf } from './api.ts';
import type { Client } from './client.ts';
import { QUEUE } from './dump/contents.ts';
import { type Rule, ruleTask } from './dump/rule.ts';
import { folderHeader, wholeFile } from './dump/tar-write.ts';
import { rulesOf } from './rules.ts';

/** What the instance says of itself beside its indexes. */
export interface Instance {
  readonly version: string;
  readonly keys: readonly Key[];
  readonly features: Record<string, unknown>;
  readonly network: unknown;
  readonly webhooks: readonly Webhook[];
  readonly chats: ReadonlyMap<string, Record<string, unknown>>;
  readonly rules: readonly Rule[];
}

const WebhookSchema = z.object({ uuid: z.string(), url: z.string(), headers: z.record(z.string(), z.string()).default({}) });
export type Webhook = z.output<typeof WebhookSchema>;
const WebhooksSchema = z.object({ results: z.array(WebhookSchema) });
const ChatsSchema = z.object({ results: z.array(z.object({ uid: z.string() })) });

/** How the server shows a secret: its beginning, and then this. */
const REDACTED = /X{3,}\.\.\.$/;

export const isRedacted = (value: unknown): boolean => typeof value === 'string' && REDACTED.test(value);

export const readInstance = async (client: Client): Promise<Instance> => {
  const chats = ChatsSchema.safeParse(await optionalJson(client, 'GET', '/chats?limit=1000'));
  const features = await featuresOf(client);
  const webhooks = WebhooksSchema.safeParse(await optionalJson(client, 'GET', '/webhooks'));
  const settings = new Map<string, Record<string, unknown>>();
  for (const { uid } of chats.success ? chats.data.results : [])
    settings.set(
      uid,
      z.record(z.string(), z.unknown()).parse(await optionalJson(client, 'GET', `/chats/${encodeURIComponent(uid)}/settings`)),
    );
  return {
    version: await versionOf(client),
    keys: (await keysOf(client)) ?? [],
    features,
    network: await optionalJson(client, 'GET', '/network'),
    webhooks: webhooks.success ? webhooks.data.results : [],
    chats: settings,
    rules: await rulesOf(client, features),
  };
};

/** A dump keeps no key values; they follow from the master key and the uid. */
export const keyLine = ({ uid, name, description, actions, indexes, expiresAt, createdAt, updatedAt }: Key): Json => ({
  description,
  name,
  uid,
  actions,
  indexes,
  expires_at: expiresAt,
  created_at: createdAt,
  updated_at: updatedAt,
});

export const linesOf = (values: Iterable<Json>): Buffer => Buffer.from([...values].map((value) => `${JSON.stringify(value)}\n`).join(''));

export interface Files {
  readonly bytes: Buffer;
  /** Secrets that the server hides, and that the dump therefore lacks: their places, by which a restore is given them. */
  readonly missing: readonly string[];
}

/** All that a dump holds of the instance itself, as pieces of a tar archive. */
export const instanceFiles = (instance: Instance, dumpDate: string): Files => {
  const mtime = Math.floor(Date.parse(dumpDate) / 1000);
  const missing: string[] = [];
  const json = (path: string, value: unknown): Uint8Array => wholeFile(path, Buffer.from(JSON.stringify(value)), mtime);
  const webhooks = Object.fromEntries(
    instance.webhooks.map(({ uuid, url, headers }) => [uuid, { url, headers: withoutSecrets(headers, `webhooks/${url}`, missing) }]),
  );
  const parts = [
    json('metadata.json', { dumpVersion: 'V6', dbVersion: instance.version, dumpDate }),
    wholeFile('keys.jsonl', linesOf(instance.keys.map(keyLine)), mtime),
    wholeFile(QUEUE, linesOf(instance.rules.map((rule, n) => ruleTask(rule, n, dumpDate))), mtime),
    json('experimental-features.json', instance.features),
    ...(instance.network === undefined ? [] : [json('network.json', instance.network)]),
    ...(instance.webhooks.length === 0 ? [] : [json('webhooks.json', { webhooks })]),
    ...[...instance.chats].map(([uid, settings]) =>
      json(`chat-completions-settings/${uid}.json`, withoutSecrets(settings, `chats/${uid}`, missing)),
    ),
    folderHeader('indexes', mtime),
  ];
  return { bytes: Buffer.concat(parts), missing };
};

export const indexFiles = (
  index: { readonly uid: string; readonly primaryKey: string | null; readonly createdAt: string; readonly updatedAt: string },
  settings: Settings,
  mtime: number,
): Files => {
  const missing: string[] = [];
  const { uid, primaryKey, createdAt, updatedAt } = index;
  const parts = [
    wholeFile(`indexes/${uid}/metadata.json`, Buffer.from(JSON.stringify({ uid, primaryKey, createdAt, updatedAt })), mtime),
    wholeFile(`indexes/${uid}/settings.json`, Buffer.from(JSON.stringify(withoutSecrets(settings, `indexes/${uid}`, missing))), mtime),
  ];
  return { bytes: Buffer.concat(parts), missing };
};

/** Leaves out what the server shows in part: a dump with `sk-suXXXXXX...` would store just that as the key. */
const withoutSecrets = (value: unknown, place: string, missing: string[]): unknown => {
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, place, missing));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]) => {
      if (isRedacted(item)) {
        missing.push(`${place}/${name}`);
        return [];
      }
      return [[name, withoutSecrets(item, `${place}/${name}`, missing)]];
    }),
  );
};

/** Says later whether another instance has the same master key, without saying anything of the key. */
export const keyPrint = (keys: readonly Key[]): { readonly uid: string; readonly print: string } | null => {
  const key = keys.find((candidate) => candidate.key !== undefined);
  return key?.key === undefined ? null : { uid: key.uid, print: printOf(key.key) };
};

export const printOf = (value: string): string => createHash('sha256').update(`lifeboat:${value}`).digest('hex').slice(0, 32);
