import { z } from 'zod';
import type { Json } from '../../../backup/types.ts';
import { parseJson } from '../../../json.ts';
import { invalid, schemaChecked } from './invalid.ts';
import { readLines, readWhole } from './lines.ts';
import { RULES_INDEX, type Rule, ruleOfLine, ruleOfTask } from './rule.ts';
import type { TarFile } from './tar-read.ts';

/** A file of settings or of metadata, in bytes; synonyms can be many. */
const SMALL_FILE_MAX = 64 * 1024 * 1024;
/** Indexes of one dump. */
const INDEXES_MAX = 100_000;
const KEYS_MAX = 1_000_000;
const RULES_MAX = 1_000_000;

const JsonValue: z.ZodType<Json> = z.json();
const Secretless = z.record(z.string(), JsonValue);

const MetadataSchema = z.object({ dumpVersion: z.string(), dbVersion: z.string(), dumpDate: z.string().optional() });
const IndexMetadataSchema = z.object({
  uid: z.string(),
  primaryKey: z.string().nullable().default(null),
  createdAt: z.string(),
  updatedAt: z.string(),
});

/** One line of keys.jsonl. `expires_at` must be there, though it may be null. */
export const KeyLineSchema = z.object({
  uid: z.uuid(),
  name: z.string().nullable().default(null),
  description: z.string().nullable().default(null),
  actions: z.array(z.string()),
  indexes: z.array(z.string()),
  expires_at: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
});
export type KeyLine = z.output<typeof KeyLineSchema>;

const NetworkSchema = z.looseObject({ remotes: z.record(z.string(), Secretless).default({}) });
const WebhooksSchema = z.object({
  webhooks: z.record(z.string(), z.object({ url: z.string(), headers: z.record(z.string(), z.string()).default({}) })),
});

/** Index uids that a route can reach. Meilisearch imports others and can then not reach them. */
const INDEX_UID = /^[A-Za-z0-9_-]{1,511}$/;

export interface DumpIndex {
  readonly uid: string;
  /** Its folder below `indexes/`; Meilisearch goes by the uid. */
  readonly folder: string;
  readonly primaryKey: string | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly settings: Record<string, Json>;
}

/** All of a v6 dump but documents, tasks and batches. */
export interface DumpContents {
  readonly dbVersion: string;
  readonly dumpDate: string;
  readonly keys: readonly KeyLine[];
  readonly features: Record<string, Json>;
  readonly network: z.output<typeof NetworkSchema> | undefined;
  readonly webhooks: z.output<typeof WebhooksSchema>['webhooks'];
  readonly chats: ReadonlyMap<string, Record<string, Json>>;
  /** Dynamic search rules, by uid. */
  readonly rules: readonly Rule[];
  readonly indexes: readonly DumpIndex[];
}

/** `indexes/<folder>/documents.jsonl` */
export const DOCUMENTS = /^indexes\/([^/]+)\/documents\.jsonl$/;
const RULES = `indexes/${RULES_INDEX}/documents.jsonl`;
/** Tasks of all times, one a line; few of them matter to whoever reads the rest. */
export const QUEUE = 'tasks/queue.jsonl';
const RULE_TASK = Buffer.from('"dsrUpdate"');
const WAITING = Buffer.from('"enqueued"');
const INDEX_METADATA = /^indexes\/([^/]+)\/metadata\.json$/;
const INDEX_SETTINGS = /^indexes\/([^/]+)\/settings\.json$/;
const CHAT = /^chat-completions-settings\/([^/]+)\.json$/;

/** Takes what is small in a v6 dump, file by file. */
export interface ContentsReader {
  /** False when the file is not small: it was not read. */
  take(file: TarFile): Promise<boolean>;
  /** A line of the task queue, read by whoever reads that. */
  task(line: Buffer): void;
  /** An index whose metadata came already. */
  indexIn(folder: string): Pick<DumpIndex, 'uid' | 'primaryKey'> | undefined;
  /** Fails with ArtifactInvalid, which names what is missing or wrong. */
  end(): DumpContents;
}

/** Reads what is small in a v6 dump, or in a piece of one; skips the rest. Fails with ArtifactInvalid, which names the file. */
export const readContents = async (files: AsyncIterable<TarFile>): Promise<DumpContents> => {
  const reader = contentsReader();
  for await (const file of files)
    if (!(await reader.take(file)) && file.path === QUEUE) for await (const line of readLines(file.body, file.path)) reader.task(line);
  return reader.end();
};

export const contentsReader = (): ContentsReader => {
  const small = new Map<string, unknown>();
  let keys: KeyLine[] = [];
  const rules = new Map<string, Rule>();
  const addRule = (rule: Rule): void => {
    if (rules.size === RULES_MAX) throw invalid(`the dump has more than ${RULES_MAX} dynamic search rules`);
    rules.set(rule.uid, rule);
  };
  return {
    async take(file) {
      if (file.path === 'keys.jsonl') keys = await readKeys(file);
      else if (file.path === RULES)
        for await (const line of readLines(file.body, file.path)) addRule(ruleOfLine(parse(file.path, line), file.path));
      else if (isSmall(file.path)) small.set(file.path, parse(file.path, await readWhole(file.body, file.path, SMALL_FILE_MAX)));
      else return false;
      return true;
    },
    indexIn: (folder) => {
      const path = `indexes/${folder}/metadata.json`;
      return small.has(path) ? checked(IndexMetadataSchema, small, path) : undefined;
    },
    task: (line) => {
      if (!line.includes(RULE_TASK) || !line.includes(WAITING)) return;
      const rule = ruleOfTask(parse(QUEUE, line));
      if (rule !== undefined) addRule(rule);
    },
    end: () =>
      contentsIn(
        small,
        keys,
        [...rules.values()].sort((a, b) => (a.uid < b.uid ? -1 : 1)),
      ),
  };
};

const contentsIn = (small: ReadonlyMap<string, unknown>, keys: readonly KeyLine[], rules: readonly Rule[]): DumpContents => {
  const metadata = checked(MetadataSchema, small, 'metadata.json');
  if (metadata.dumpVersion !== 'V6')
    throw invalid(`the dump is of version ${metadata.dumpVersion}, not V6`, 'Run "lifeboat upgrade" first.');
  return {
    dbVersion: metadata.dbVersion,
    dumpDate: metadata.dumpDate ?? '',
    keys,
    features: small.has('experimental-features.json') ? checked(Secretless, small, 'experimental-features.json') : {},
    network: small.has('network.json') ? checked(NetworkSchema, small, 'network.json') : undefined,
    webhooks: small.has('webhooks.json') ? checked(WebhooksSchema, small, 'webhooks.json').webhooks : {},
    rules,
    chats: new Map([...small.keys()].flatMap((path) => chatOf(small, path))),
    indexes: indexesIn(small),
  };
};

const isSmall = (path: string): boolean =>
  ['metadata.json', 'experimental-features.json', 'network.json', 'webhooks.json'].includes(path) ||
  INDEX_METADATA.test(path) ||
  INDEX_SETTINGS.test(path) ||
  CHAT.test(path);

const readKeys = async (file: TarFile): Promise<KeyLine[]> => {
  const keys: KeyLine[] = [];
  for await (const line of readLines(file.body, file.path)) {
    if (keys.length === KEYS_MAX) throw invalid(`${file.path} has more than ${KEYS_MAX} keys`);
    keys.push(schemaChecked(KeyLineSchema, parse(file.path, line), `${file.path} line ${keys.length + 1}`));
  }
  return keys;
};

const chatOf = (small: ReadonlyMap<string, unknown>, path: string): [string, Record<string, Json>][] => {
  const name = CHAT.exec(path)?.[1];
  return name === undefined ? [] : [[name, checked(Secretless, small, path)]];
};

const indexesIn = (small: ReadonlyMap<string, unknown>): DumpIndex[] => {
  const folders = [...new Set([...small.keys()].flatMap((path) => (INDEX_METADATA.exec(path) ?? INDEX_SETTINGS.exec(path))?.[1] ?? []))];
  if (folders.length > INDEXES_MAX) throw invalid(`the dump has more than ${INDEXES_MAX} indexes`);
  return folders
    .filter((folder) => !folder.startsWith('.'))
    .map((folder) => {
      const metadata = checked(IndexMetadataSchema, small, `indexes/${folder}/metadata.json`);
      if (!INDEX_UID.test(metadata.uid)) throw invalid(`index ${JSON.stringify(metadata.uid)} has a uid that no route can reach`);
      return { folder, ...metadata, settings: checked(Secretless, small, `indexes/${folder}/settings.json`) };
    })
    .sort((a, b) => (a.uid < b.uid ? -1 : 1));
};

const checked = <T>(schema: z.ZodType<T>, small: ReadonlyMap<string, unknown>, path: string): T => {
  if (!small.has(path)) throw invalid(`${path} is missing`);
  return schemaChecked(schema, small.get(path), path);
};

export const parse = (path: string, bytes: Buffer): unknown => {
  try {
    return parseJson(bytes.toString('utf8'));
  } catch (cause) {
    throw invalid(`${path} is no JSON`, undefined, cause);
  }
};
