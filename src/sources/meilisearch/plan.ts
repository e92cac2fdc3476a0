import { indexesOf, type Stats, statsOf } from './api.ts';
import type { Client } from './client.ts';
import { MARKER_INDEX } from './marker.ts';
import type { DumpTask, Range } from './tasks.ts';

/** Raw bytes that one task reads where an index is cut into ranges: some ten seconds of work. */
export const RANGE_BYTES = 128 * 1024 * 1024;

/** Ranges of one index at most; a plan may have 10 000 tasks. */
const RANGES_MAX = 1000;

/** Of a document where the server does not say, in bytes. */
const DOCUMENT_BYTES = 1024;

/** A document takes more room as JSON than the server says of its own form of it: names are written out. */
const JSON_FACTOR = 2;

/** Indexes whose settings one task reads. */
const SETTINGS_A_TASK = 50;

/** In the order of the artifact: what belongs to the instance, settings, and the documents index by index. */
export async function* planDump(client: Client, wholeIndexes: boolean, rangeBytes: number = RANGE_BYTES): AsyncGenerator<DumpTask> {
  const stats = await statsOf(client);
  const indexes = (await indexesOf(client)).filter(({ uid }) => uid !== MARKER_INDEX);
  yield { kind: 'instance' };
  for (let at = 0; at < indexes.length; at += SETTINGS_A_TASK)
    yield { kind: 'settings', indexes: indexes.slice(at, at + SETTINGS_A_TASK).map(({ uid }) => uid) };
  for (const index of indexes)
    for (const range of rangesOf(index, stats, wholeIndexes ? Number.POSITIVE_INFINITY : rangeBytes)) yield { kind: 'documents', ...range };
}

/** Ranges of equal size; the last one goes to the end, wherever that is. */
export function* rangesOf(
  { uid, primaryKey, updatedAt }: { readonly uid: string; readonly primaryKey: string | null; readonly updatedAt: string },
  stats: Stats,
  rangeBytes: number,
): Generator<Range> {
  const known = stats.indexes[uid];
  const documents = known?.numberOfDocuments ?? 0;
  const documentBytes = (known?.avgDocumentSize ?? 0) > 0 ? (known?.avgDocumentSize ?? 0) * JSON_FACTOR : DOCUMENT_BYTES;
  const ranges = Math.max(1, Math.min(RANGES_MAX, documents, Math.ceil((documents * documentBytes) / rangeBytes)));
  const size = Math.ceil(documents / ranges);
  for (let n = 0; n < ranges; n++)
    yield { index: uid, primaryKey, from: n * size, to: n === ranges - 1 ? null : (n + 1) * size, updatedAt, documentBytes };
}
