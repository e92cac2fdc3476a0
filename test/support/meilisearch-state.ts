import { randomUUID } from 'node:crypto';
import { DEFAULT_SETTINGS } from './meilisearch-settings.ts';

export interface State {
  readonly indexes: Map<string, StoredIndex>;
  readonly keys: Map<string, StoredKey>;
  readonly tasks: StoredTask[];
  features: Record<string, unknown>;
  network: Record<string, unknown>;
  readonly webhooks: Map<string, { url: string; headers: Record<string, string> }>;
  readonly chats: Map<string, Record<string, unknown>>;
  /** Dynamic search rules, by uid. */
  readonly rules: Map<string, Record<string, unknown>>;
  /** Makes the next dump: how and where is up to the test. */
  dump: ((uid: string) => Promise<void>) | undefined;
}

export interface StoredIndex {
  uid: string;
  primaryKey: string | null;
  createdAt: string;
  updatedAt: string;
  settings: Record<string, unknown>;
  /** By id; a document is its raw text, members as they came, and its vectors apart. */
  readonly documents: Map<string, Record<string, unknown>>;
}

export interface StoredKey {
  uid: string;
  name: string | null;
  description: string | null;
  actions: string[];
  indexes: string[];
  expiresAt: string | null;
  createdAt: string;
  updatedAt: string;
}

export interface StoredTask {
  uid: number;
  indexUid: string | null;
  status: string;
  type: string;
  details: Record<string, unknown> | null;
  error: { message: string; code: string; type: string; link: string } | null;
  enqueuedAt: string;
}

declare global {
  interface JSON {
    rawJSON(text: string): unknown;
  }
}

/** Keeps the text of numbers, as the server does. */
export const parseExact = (text: string): unknown =>
  JSON.parse(text, (_key, value: unknown, ...rest: unknown[]) => {
    const source = (rest[0] as { source?: string } | undefined)?.source;
    return typeof value === 'number' && source !== undefined ? JSON.rawJSON(source) : value;
  });

export const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

export const now = (): string =>
  `${new Date().toISOString().slice(0, -1)}${String(Math.floor(Number(process.hrtime.bigint() % 1_000_000n))).padStart(6, '0')}Z`;

/** What an instance has when it starts for the first time. */
export const emptyState = (): State => ({
  indexes: new Map(),
  keys: new Map(),
  tasks: [],
  features: { metrics: false, network: false, chatCompletions: false, multimodal: false, containsFilter: false, dynamicSearchRules: false },
  network: { self: null, remotes: {}, shards: {}, leader: null, version: randomUUID() },
  webhooks: new Map(),
  chats: new Map(),
  rules: new Map(),
  dump: undefined,
});

/** The two keys of a new instance. */
export const addDefaultKeys = ({ keys }: State): void => {
  for (const name of ['Default Search API Key', 'Default Admin API Key']) {
    const uid = randomUUID();
    const actions = name.includes('Admin') ? ['*'] : ['search'];
    keys.set(uid, { uid, name, description: null, actions, indexes: ['*'], expiresAt: null, createdAt: now(), updatedAt: now() });
  }
};

export const newIndex = (state: State, uid: string, primaryKey: string | null): StoredIndex => {
  const at = now();
  const index: StoredIndex = {
    uid,
    primaryKey,
    createdAt: at,
    updatedAt: at,
    settings: structuredClone(DEFAULT_SETTINGS),
    documents: new Map(),
  };
  state.indexes.set(uid, index);
  return index;
};

/** Puts documents into an index at once, as JSON text: no task, no waiting. */
export const seedIndex = (
  server: { readonly state: State },
  uid: string,
  primaryKey: string | null,
  lines: readonly string[],
  settings: Record<string, unknown> = {},
): void => {
  const at = now();
  const documents = new Map<string, Record<string, unknown>>();
  for (const line of lines) {
    const document = parseExact(line) as Record<string, unknown>;
    documents.set(String(plain(document[primaryKey ?? 'id'])), document);
  }
  server.state.indexes.set(uid, {
    uid,
    primaryKey,
    createdAt: at,
    updatedAt: at,
    settings: { ...structuredClone(DEFAULT_SETTINGS), ...settings },
    documents,
  });
};

/** Every document of an index as the server prints it, in its order. */
export const documentLines = (server: { readonly state: State }, uid: string): string[] =>
  [...(server.state.indexes.get(uid)?.documents.values() ?? [])].map((document) => JSON.stringify(document));
