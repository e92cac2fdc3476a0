import { z } from 'zod';
import { loadDigest } from '../../backup/digest.ts';
import { ordinal } from '../../backup/ordinal.ts';
import type { Json, Segment } from '../../backup/types.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, TaskContext } from '../contract.ts';
import { countTasks, indexOf, settingsOf } from './api.ts';
import { INDEX_CLASS, indexRow, KEY_CLASS, keyRow, SETTINGS_CLASS, settingsRow } from './classes.ts';
import type { Client } from './client.ts';
import { digestRules } from './digest-contents.ts';
import { readContents } from './dump/contents.ts';
import { secretsIn } from './dump/secrets.ts';
import { readTar } from './dump/tar-read.ts';
import { type InstanceFacts, MISSING_NAMED } from './dump-facts.ts';
import { indexFiles, instanceFiles, keyPrint, linesOf, readInstance } from './instance-files.ts';
import type { Token } from './instant.ts';
import { recordSearches, type Search } from './searches.ts';
import { writePiece } from './segment-writer.ts';

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Everything beside the indexes. */
export const dumpInstance = async (client: Client, token: Token, context: TaskContext): Promise<Part> => {
  const instance = await readInstance(client);
  const files = instanceFiles(instance, token.at);
  const segment = await writePiece(context, 0, once(files.bytes), { kind: 'instance' });
  const tasks = await countTasks(client);
  const remotes = z.object({ remotes: z.record(z.string(), z.unknown()) }).safeParse(instance.network);
  const facts: InstanceFacts = {
    kind: 'instance',
    version: instance.version,
    at: token.at,
    waiting: token.mode === 'api' ? token.waiting : 0,
    named: token.mode === 'api' ? token.named : [],
    keys: instance.keys.length,
    keyPrint: keyPrint(instance.keys),
    holds: secretsIn(await readContents(readTar(once(files.bytes)))),
    missing: files.missing.slice(0, MISSING_NAMED),
    notIncluded: counts({
      'tasks of the history': tasks,
      'redacted secrets of webhooks and chats': files.missing.length,
      'enqueued tasks': token.mode === 'api' ? token.waiting : 0,
    }),
    assertions: [
      { name: 'webhooks', value: instance.webhooks.length },
      { name: 'chat workspaces', value: instance.chats.size },
      { name: 'network remotes', value: remotes.success ? Object.keys(remotes.data.remotes).length : 0 },
    ]
      .filter(({ value }) => value > 0)
      .map(({ name, value }) => ({ name, value: String(value) })),
  };
  const digest = (await loadDigest()).open(KEY_CLASS.name, KEY_CLASS.columns);
  for (const key of instance.keys) {
    const row = keyRow(key);
    if (row !== undefined) digest.add(row.bytes, 0, row.keyEnd);
  }
  return { segments: [segment], digests: [digest.end(), ...(await digestRules(instance.rules))], facts: z.json().parse(facts) };
};

const counts = (many: Readonly<Record<string, number>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(many)
      .filter(([, value]) => value > 0)
      .map(([what, value]) => [what, String(value)]),
  );

const CursorSchema = z.strictObject({ done: z.int().positive() });

/** Settings of some indexes, and what they answer to a few searches. */
export const dumpSettings = async (
  client: Client,
  token: Token,
  indexes: readonly string[],
  context: TaskContext,
  resume: Cursor | undefined,
): Promise<Part> => {
  const first = resume === undefined ? 0 : CursorSchema.parse(parseJson(resume)).done;
  const factory = await loadDigest();
  const [ofIndexes, ofSettings] = [INDEX_CLASS, SETTINGS_CLASS].map(({ name, columns }) => factory.open(name, columns));
  const mtime = Math.floor(Date.parse(token.at) / 1000);
  const parts: Buffer[] = [];
  const searches: Search[] = [];
  const missing: string[] = [];
  let done = first;
  for (const uid of indexes.slice(first)) {
    if (done > first && context.budget.remaining() <= 0) break;
    const index = await indexOf(client, uid);
    const settings = await settingsOf(client, uid);
    const files = indexFiles(index, settings, mtime);
    parts.push(files.bytes);
    missing.push(...files.missing);
    const [indexBytes, settingsBytes] = [indexRow(index), settingsRow(uid, settings)];
    ofIndexes?.add(indexBytes.bytes, 0, indexBytes.keyEnd);
    ofSettings?.add(settingsBytes.bytes, 0, settingsBytes.keyEnd);
    searches.push(...(await recordSearches(client, index, settings)));
    done++;
  }
  const segments = [
    await writePiece(context, 2 * first, once(Buffer.concat(parts)), { kind: 'settings', indexes: done - first }),
    ...(await writeSearches(context, 2 * first + 1, searches)),
  ];
  const part = {
    segments,
    digests: [ofIndexes, ofSettings].flatMap((digest) => (digest === undefined ? [] : [digest.end()])),
    facts: { kind: 'settings', redacted: missing.length, missing: missing.slice(0, MISSING_NAMED) },
  };
  return done === indexes.length ? part : { ...part, next: { cursor: JSON.stringify({ done }) as Cursor } };
};

/** Beside the artifact: no part of a dump. */
const writeSearches = async (context: TaskContext, n: number, searches: readonly Search[]): Promise<Segment[]> => {
  if (searches.length === 0) return [];
  const lines = linesOf(searches.map((search): Json => z.json().parse(search)));
  return [
    await context.write.write(ordinal((context.task + 1) * 10, n), once(lines), {
      encoding: 'zstd',
      extension: 'jsonl.zst',
      role: 'inventory',
      context: { kind: 'searches' },
    }),
  ];
};
