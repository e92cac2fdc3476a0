import { z } from 'zod';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Client } from './client.ts';

/** Results asked for at once where a list may be long. */
const LIST_LIMIT = 1000;

export const IndexSchema = z.object({ uid: z.string(), createdAt: z.string(), updatedAt: z.string(), primaryKey: z.string().nullable() });
export type Index = z.output<typeof IndexSchema>;

export const KeySchema = z.object({
  uid: z.string(),
  key: z.string().optional(),
  name: z.string().nullable().default(null),
  description: z.string().nullable().default(null),
  actions: z.array(z.string()),
  indexes: z.array(z.string()),
  expiresAt: z.string().nullable(),
  createdAt: z.string(),
  updatedAt: z.string(),
});
export type Key = z.output<typeof KeySchema>;

const TaskErrorSchema = z.object({ message: z.string(), code: z.string() });
export const TaskSchema = z.object({
  uid: z.int(),
  indexUid: z.string().nullable(),
  status: z.enum(['enqueued', 'processing', 'succeeded', 'failed', 'canceled']),
  type: z.string(),
  details: z.record(z.string(), z.unknown()).nullable().optional(),
  error: TaskErrorSchema.nullable().optional(),
  enqueuedAt: z.string(),
});
export type Task = z.output<typeof TaskSchema>;

const TasksSchema = z.object({ results: z.array(TaskSchema), total: z.int() });
const EnqueuedSchema = z.object({ taskUid: z.int() });

/** Of an index; older servers do not know the sizes. */
const IndexStatsSchema = z.object({
  numberOfDocuments: z.int(),
  isIndexing: z.boolean(),
  rawDocumentDbSize: z.number().default(0),
  avgDocumentSize: z.number().default(0),
});
const StatsSchema = z.object({
  databaseSize: z.number(),
  lastUpdate: z.string().nullable(),
  indexes: z.record(z.string(), IndexStatsSchema),
});
export type Stats = z.output<typeof StatsSchema>;

const VersionSchema = z.object({ pkgVersion: z.string() });
export const SettingsSchema = z.record(z.string(), z.json());
export type Settings = z.output<typeof SettingsSchema>;

export const versionOf = async (client: Client): Promise<string> => (await client.json(VersionSchema, 'GET', '/version')).pkgVersion;

export const statsOf = (client: Client): Promise<Stats> => client.json(StatsSchema, 'GET', '/stats');

export const indexOf = (client: Client, uid: string): Promise<Index> => client.json(IndexSchema, 'GET', indexPath(uid));

export const settingsOf = (client: Client, uid: string): Promise<Settings> =>
  client.json(SettingsSchema, 'GET', `${indexPath(uid)}/settings`);

export const indexPath = (uid: string): string => `/indexes/${encodeURIComponent(uid)}`;

/** All indexes, by uid. */
export const indexesOf = async (client: Client): Promise<Index[]> =>
  (await listAll(client, IndexSchema, '/indexes')).sort((a, b) => (a.uid < b.uid ? -1 : 1));

/** Undefined where the instance has no master key, and so no keys. */
export const keysOf = async (client: Client): Promise<Key[] | undefined> => {
  try {
    return (await listAll(client, KeySchema, '/keys')).sort((a, b) => (a.uid < b.uid ? -1 : 1));
  } catch (error) {
    if (error instanceof LifeboatError && error.message.includes('missing_master_key')) return undefined;
    throw error;
  }
};

const listAll = async <T>(client: Client, item: z.ZodType<T>, path: string): Promise<T[]> => {
  const schema = z.object({ results: z.array(item), total: z.int() });
  const found: T[] = [];
  for (;;) {
    const page = await client.json(schema, 'GET', path, { query: { limit: LIST_LIMIT, offset: found.length } });
    found.push(...page.results);
    if (page.results.length === 0 || found.length >= page.total) return found;
  }
};

/** Features that this server has, with their state. */
export const featuresOf = (client: Client): Promise<Record<string, unknown>> =>
  client.json(z.record(z.string(), z.unknown()), 'GET', '/experimental-features');

/** Undefined where the route is off, or the server is too old for it. */
export const optionalJson = async (client: Client, method: string, path: string, json?: unknown): Promise<unknown> => {
  const { status, bytes } = await client.request(method, path, {
    reads: true,
    accept: [400, 403, 404, 405],
    ...(json === undefined ? {} : { json }),
  });
  if (status >= 300) return undefined;
  return parseJson(bytes.toString('utf8'));
};

/** Tasks that wait or run, and how many tasks the instance remembers. */
export const openTasks = async (client: Client): Promise<{ readonly open: readonly Task[]; readonly many: number }> => {
  const page = await client.json(TasksSchema, 'GET', '/tasks', { query: { statuses: 'enqueued,processing', limit: 20 } });
  return { open: page.results, many: page.total };
};

export const countTasks = async (client: Client): Promise<number> =>
  (await client.json(TasksSchema, 'GET', '/tasks', { query: { limit: 1 } })).total;

export const taskOf = (client: Client, uid: number): Promise<Task> => client.json(TaskSchema, 'GET', `/tasks/${uid}`);

/** Sends something that becomes a task; answers its uid. */
export const enqueue = async (
  client: Client,
  method: string,
  path: string,
  options: Parameters<Client['request']>[2] = {},
): Promise<number> => (await client.json(EnqueuedSchema, method, path, options)).taskUid;
