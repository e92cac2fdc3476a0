import type { Table } from './catalog.ts';
import type { Chunk, DumpTask } from './tasks.ts';

/** Heap and TOAST that one task reads, in bytes: about a second of work, little to repeat when it fails. */
export const CHUNK_BYTES = 64 * 1024 * 1024;

/** Tasks that the tables of one database are cut into at most; a plan may have 10 000. */
const CHUNKS_MAX = 4_000;

/** Small tables of one task; keeps the task and its receipt small. */
const TABLES_MAX = 100;

/** The tasks of a dump in the order of its artifact: definitions, rows (large tables first), sequences, indexes and what else follows. */
export function* planTasks(tables: readonly Table[], smallest: number = CHUNK_BYTES): Generator<DumpTask> {
  yield { kind: 'schema', section: 'pre-data' };
  for (const chunks of planChunks(tables, smallest)) yield { kind: 'data', chunks };
  yield { kind: 'sequences' };
  yield { kind: 'facts' };
  yield { kind: 'schema', section: 'post-data' };
}

function* planChunks(tables: readonly Table[], smallest: number): Generator<Chunk[]> {
  const total = tables.reduce((sum, table) => sum + table.bytes, 0);
  const size = Math.max(smallest, Math.ceil(total / CHUNKS_MAX));
  const bySize = [...tables].sort((a, b) => b.bytes - a.bytes || a.oid - b.oid);
  let gathered: Chunk[] = [];
  let bytes = 0;
  for (const table of bySize) {
    if (table.bytes > size) {
      for (const chunk of cut(table, size)) yield [chunk];
      continue;
    }
    if (gathered.length > 0 && (bytes + table.bytes > size || gathered.length >= TABLES_MAX)) {
      yield gathered;
      gathered = [];
      bytes = 0;
    }
    gathered.push(whole(table));
    bytes += table.bytes;
  }
  if (gathered.length > 0) yield gathered;
}

/**
 * Ranges of pages, disjoint and complete: a row version that the snapshot sees lies on one page, and the last range has no end.
 * TOAST counts by the page that refers to it.
 */
const cut = (table: Table, size: number): Chunk[] => {
  // The rows of a configuration table are chosen by a condition; such tables are small.
  if (table.condition !== '') return [whole(table)];
  const step = Math.max(1, Math.ceil(table.pages / Math.ceil(table.bytes / size)));
  const chunks: Chunk[] = [];
  for (let from = 0; from < table.pages || from === 0; from += step) {
    const to = from + step >= table.pages ? null : from + step;
    chunks.push({ ...whole(table), pages: { from, to } });
  }
  return chunks;
};

const whole = (table: Table): Chunk => ({ oid: table.oid, schema: table.schema, name: table.name, pages: { from: 0, to: null } });
