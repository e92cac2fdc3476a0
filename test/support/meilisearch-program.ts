/**
 * Behaves as the program `meilisearch` does, as far as Lifeboat starts it: imports a dump into a folder and serves it. Its own options come
 * first: `--fake-version`, `--fake-import-ms`, `--fake-failure` of the import, `--fake-waiting-ms`, how long after its start it runs a task that
 * waited, without which an index has no documents, and `--fake-trace`, a file to which arguments and environment are added.
 */
import { appendFileSync, createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DumpContents, readContents } from '../../src/sources/meilisearch/dump/contents.ts';
import { readGzip } from '../../src/sources/meilisearch/dump/gzip-read.ts';
import { readLines } from '../../src/sources/meilisearch/dump/lines.ts';
import { readTar } from '../../src/sources/meilisearch/dump/tar-read.ts';
import { startMeilisearch } from './meilisearch-server.ts';
import { documentLines, emptyState, now, type State, seedIndex } from './meilisearch-state.ts';

const STATE = 'state.json';

const option = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at === -1 ? undefined : process.argv[at + 1];
};

const fail = (message: string): never => {
  process.stderr.write(`Error: ${message}\n`);
  process.exit(1);
};

const documentsOf = async (dump: string, { folder }: DumpContents['indexes'][number]): Promise<string[]> => {
  const lines: string[] = [];
  for await (const { path, body } of readTar(readGzip(createReadStream(dump))))
    if (path === `indexes/${folder}/documents.jsonl`) for await (const line of readLines(body, path)) lines.push(line.toString('utf8'));
  return lines;
};

const imported = async (dump: string): Promise<State> => {
  const state = emptyState();
  const contents = await readContents(readTar(readGzip(createReadStream(dump))));
  for (const index of contents.indexes) {
    const lines = await documentsOf(dump, index);
    for (const line of lines)
      if (index.primaryKey !== null && !(index.primaryKey in JSON.parse(line)))
        throw new Error(`Document doesn't have a \`${index.primaryKey}\` attribute: \`${line}\`.`);
    seedIndex({ state }, index.uid, index.primaryKey, lines, index.settings);
  }
  for (const { expires_at: expiresAt, created_at: createdAt, updated_at: updatedAt, ...key } of contents.keys)
    state.keys.set(key.uid, { ...key, actions: [...key.actions], indexes: [...key.indexes], expiresAt, createdAt, updatedAt });
  Object.assign(state.features, contents.features);
  for (const [uid, settings] of contents.chats) state.chats.set(uid, settings);
  for (const [uuid, webhook] of Object.entries(contents.webhooks)) state.webhooks.set(uuid, webhook);
  for (const rule of contents.rules) state.rules.set(rule.uid, rule);
  return state;
};

const save = (database: string, state: State): void => {
  for (const name of ['tasks', 'indexes', 'auth']) mkdirSync(join(database, name), { recursive: true });
  writeFileSync(join(database, 'VERSION'), '1.50.0');
  const indexes = [...state.indexes.values()].map((index) => ({ ...index, documents: documentLines({ state }, index.uid) }));
  const [keys, chats, webhooks, rules] = [state.keys, state.chats, state.webhooks, state.rules].map((map) => [...map]);
  writeFileSync(join(database, STATE), JSON.stringify({ indexes, keys, chats, webhooks, rules, features: state.features }));
};

const opened = (database: string): State => {
  const state = emptyState();
  if (!existsSync(join(database, STATE))) return state;
  const { indexes, keys, chats, webhooks, rules, features } = JSON.parse(readFileSync(join(database, STATE), 'utf8'));
  for (const { uid, primaryKey, documents, settings } of indexes) seedIndex({ state }, uid, primaryKey, documents, settings);
  for (const [map, entries] of [
    [state.keys, keys],
    [state.chats, chats],
    [state.webhooks, webhooks],
    [state.rules, rules],
  ])
    for (const [key, value] of entries) map.set(key, value);
  Object.assign(state.features, features);
  return state;
};

const open = async (database: string): Promise<State> => {
  const dump = option('import-dump');
  if (dump === undefined) return opened(database);
  if (existsSync(database) && readdirSync(database).length > 0)
    return fail(`database already exists at "${database}", try to delete it or rename it`);
  if (!existsSync(dump)) return fail(`dump doesn't exist at "${dump}"`);
  mkdirSync(database, { recursive: true });
  writeFileSync(join(database, 'VERSION'), '1.50.0');
  try {
    await sleep(Number(option('fake-import-ms') ?? 0));
    const failure = option('fake-failure');
    if (failure !== undefined) throw new Error(failure);
    return await imported(dump);
  } catch (error) {
    rmSync(database, { recursive: true });
    return fail(error instanceof Error ? error.message : String(error));
  }
};

/** A task that was in the dump's queue: it brings the documents of the first index. */
const queueTask = (state: State, afterMs: number): void => {
  const [index] = state.indexes.values();
  if (index === undefined) return;
  const documents = [...index.documents];
  index.documents.clear();
  const type = 'documentAdditionOrUpdate';
  const task = { uid: 0, indexUid: index.uid, status: 'processing', type, details: null, error: null, enqueuedAt: now() };
  state.tasks.push(task);
  setTimeout(() => {
    for (const [id, document] of documents) index.documents.set(id, document);
    task.status = 'succeeded';
  }, afterMs);
};

const version = option('fake-version') ?? '1.50.0';
if (process.argv.includes('--version')) {
  process.stdout.write(`meilisearch ${version}\n`);
  process.exit(0);
}
const trace = option('fake-trace');
if (trace !== undefined) appendFileSync(trace, `${JSON.stringify({ pid: process.pid, arguments: process.argv, env: process.env })}\n`);
const database = option('db-path') ?? 'data.ms';
const state = await open(database);
save(database, state);
const waitingMs = option('fake-waiting-ms');
if (waitingMs !== undefined) queueTask(state, Number(waitingMs));
const server = await startMeilisearch(
  { masterKey: process.env['MEILI_MASTER_KEY'] ?? null, version },
  state,
  Number(option('http-addr')?.split(':')[1] ?? 7700),
);
process.on('SIGTERM', () => {
  save(database, state);
  void server.stop().then(() => process.exit(0));
});
