import { z } from 'zod';
import type { Json } from '../../backup/types.ts';
import { type Index, indexPath, type Settings } from './api.ts';
import type { Client } from './client.ts';

/** Hits of a recorded search at most: more would be cut by rules that depend on the order of arrival. */
const HITS_MAX = 20;
/** Values of a recorded sort. */
const SORTED = 10;
const SAMPLES = 3;
/** Words of one search: with each more of them there are fewer hits. */
const WORDS_MAX = 4;
const WORD = /[\p{L}\p{N}]{2,20}/gu;

const JsonValue: z.ZodType<Json> = z.json();

/** What an application asked at backup time, and what it got. */
export const SearchSchema = z.object({
  index: z.string(),
  updatedAt: z.string(),
  /** Of `POST /indexes/:uid/search`. */
  body: z.record(z.string(), JsonValue),
  /** The field of each hit that is compared. */
  field: z.string(),
  /** Sorted hits are compared in their order; others as a set. */
  ordered: z.boolean(),
  expected: z.array(JsonValue),
});
export type Search = z.output<typeof SearchSchema>;

const HitsSchema = z.object({ hits: z.array(z.record(z.string(), JsonValue)), estimatedTotalHits: z.int() });
const DocumentsSchema = z.object({ results: z.array(z.record(z.string(), JsonValue)), total: z.int() });

/** Words of sampled documents, a filter and a sort, where the settings allow them. */
export const recordSearches = async (client: Client, index: Index, settings: Settings): Promise<Search[]> => {
  const key = index.primaryKey;
  if (key === null) return [];
  const samples = await sample(client, index.uid);
  const found: Search[] = [];
  /** False when there were too many hits. */
  const keep = async (body: Record<string, Json>): Promise<boolean> => {
    const search = {
      index: index.uid,
      updatedAt: index.updatedAt,
      body: { ...body, limit: HITS_MAX + 1, attributesToRetrieve: [key] },
      field: key,
      ordered: false,
    };
    const answer = await ask(client, search);
    if (answer.length > HITS_MAX) return false;
    if (answer.length > 0) found.push({ ...search, expected: answer });
    return true;
  };
  for (const words of samples.map(wordsOf))
    for (let many = 1; many <= words.length; many++) if (await keep({ q: words.slice(0, many).join(' '), matchingStrategy: 'all' })) break;
  const [filter] = samples.flatMap((document) => filterOf(document, settings));
  if (filter !== undefined) await keep({ q: '', filter });
  const sort = plainNames(settings['sortableAttributes'])[0];
  if (sort !== undefined) {
    const body = { q: '', sort: [`${sort}:asc`], limit: SORTED, attributesToRetrieve: [sort] };
    const search = { index: index.uid, updatedAt: index.updatedAt, body, field: sort, ordered: true };
    const answer = await ask(client, search);
    if (answer.length > 0) found.push({ ...search, expected: answer });
  }
  return found;
};

/** What the instance answers now, in a form that can be compared. */
export const ask = async (client: Client, search: Pick<Search, 'index' | 'body' | 'field' | 'ordered'>): Promise<Json[]> => {
  const { hits } = await client.json(HitsSchema, 'POST', `${indexPath(search.index)}/search`, { json: search.body, reads: true });
  const values = hits.map((hit): Json => hit[search.field] ?? null);
  return search.ordered ? values : values.map((value) => JSON.stringify(value)).sort();
};

const sample = async (client: Client, index: string): Promise<Record<string, Json>[]> => {
  const first = await client.json(DocumentsSchema, 'GET', `${indexPath(index)}/documents`, { query: { limit: SAMPLES } });
  if (first.total <= SAMPLES) return first.results;
  const offset = Math.floor(first.total / 2);
  const middle = await client.json(DocumentsSchema, 'GET', `${indexPath(index)}/documents`, { query: { limit: SAMPLES, offset } });
  return [...first.results, ...middle.results];
};

/** The longest words of a document: the longer, the rarer. */
const wordsOf = (document: Record<string, Json>): string[] => {
  const words = Object.values(document).flatMap((value) => (typeof value === 'string' ? (value.match(WORD) ?? []) : []));
  return [...new Set(words)].sort((a, b) => b.length - a.length || (a < b ? -1 : 1)).slice(0, WORDS_MAX);
};

const filterOf = (document: Record<string, Json>, settings: Settings): string[] =>
  plainNames(settings['filterableAttributes']).flatMap((name) => {
    const value = document[name];
    if (typeof value === 'string' && value.length > 0 && value.length < 100) return [`${quoted(name)} = ${quoted(value)}`];
    return Number.isSafeInteger(value) ? [`${quoted(name)} = ${String(value)}`] : [];
  });

const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

/** Names that stand for one attribute of the document. */
const plainNames = (value: Json | undefined): string[] =>
  Array.isArray(value) ? value.filter((name): name is string => typeof name === 'string' && !/^_|[*.]/.test(name)) : [];
