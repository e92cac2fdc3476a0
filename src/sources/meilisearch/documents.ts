import { z } from 'zod';
import { loadDigest } from '../../backup/digest.ts';
import type { ClassDigest, Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, TaskContext } from '../contract.ts';
import { indexOf, statsOf } from './api.ts';
import type { Client } from './client.ts';
import { DOCUMENT_COLUMNS, documentEnd, documentRows, documentsClass } from './dump/document-row.ts';
import type { DocumentsFacts } from './dump-facts.ts';
import { readPages } from './pages.ts';
import { lineWriter, SEGMENT_RAW_BYTES } from './segment-writer.ts';
import type { Range } from './tasks.ts';

/** Times that a whole index is read when it changes meanwhile. */
const READS_MAX = 4;

const CursorSchema = z.strictObject({ documents: z.int().nonnegative(), segments: z.int().nonnegative(), updatedAt: z.string() });
type Position = z.output<typeof CursorSchema>;

const LINE_END = Buffer.from('}\n');

interface Reading {
  readonly segments: readonly Segment[];
  readonly digests: readonly ClassDigest[];
  readonly documents: number;
  readonly bytes: number;
  readonly complete: boolean;
}

/**
 * Reads a range of one index into lines of documents.jsonl. An index that changed while it was read as a whole is read again; a range
 * of a larger one, or what is left of one, fails with SourceChanged.
 */
export const dumpDocuments = async (
  client: Client,
  range: Range,
  context: TaskContext,
  resume: Cursor | undefined,
  rawMax: number = SEGMENT_RAW_BYTES,
): Promise<Part> => {
  const from: Position | undefined = resume === undefined ? undefined : CursorSchema.parse(parseJson(resume));
  const whole = range.from === 0 && range.to === null;
  let written = from?.segments ?? 0;
  for (let read = 1; ; read++) {
    const seen = await stampOf(client, range.index);
    const expected = from?.updatedAt ?? (whole ? seen.updatedAt : range.updatedAt);
    if (seen.updatedAt !== expected) throw changed(range);
    const done = await readRange(client, range, context, { documents: from?.documents ?? 0, segments: written }, rawMax);
    written += done.segments.length;
    const after = await stampOf(client, range.index);
    if (after.updatedAt === expected && (!done.complete || !whole || after.documents === (from?.documents ?? 0) + done.documents)) {
      const facts: DocumentsFacts = {
        kind: 'documents',
        index: range.index,
        primaryKey: range.primaryKey,
        updatedAt: expected,
        planned: range.updatedAt,
        reads: read,
        bytes: done.bytes,
        documents: done.documents,
      };
      const part = { segments: done.segments, digests: done.digests, facts: z.json().parse(facts) };
      if (done.complete) return part;
      const next: Position = { documents: (from?.documents ?? 0) + done.documents, segments: written, updatedAt: expected };
      return { ...part, next: { cursor: JSON.stringify(next) as Cursor } };
    }
    if (!whole || from !== undefined || read >= READS_MAX) throw changed(range);
  }
};

const stampOf = async (client: Client, index: string): Promise<{ readonly updatedAt: string; readonly documents: number }> => {
  const [{ updatedAt }, stats] = await Promise.all([indexOf(client, index), statsOf(client)]);
  return { updatedAt, documents: stats.indexes[index]?.numberOfDocuments ?? 0 };
};

const readRange = async (
  client: Client,
  range: Range,
  context: TaskContext,
  skip: { readonly documents: number; readonly segments: number },
  rawMax: number,
): Promise<Reading> => {
  const name = documentsClass(range.index);
  const digest = (await loadDigest()).open(name, DOCUMENT_COLUMNS);
  const rows = documentRows(digest, range.primaryKey);
  const writer = lineWriter(
    context,
    skip.segments,
    (documents) => ({ kind: 'documents', index: range.index, primaryKey: range.primaryKey, documents }),
    rawMax,
  );
  let bytes = 0;
  let told = { rows: 0, bytes: 0 };
  try {
    const { documents, complete } = await readPages(
      client,
      { index: range.index, from: range.from + skip.documents, to: range.to, documentBytes: range.documentBytes },
      {
        document(page, slice) {
          rows.add(page, slice);
          const end = documentEnd(page, slice);
          bytes += end - slice.start + LINE_END.length;
          writer.line(page, slice.start, end, LINE_END);
        },
        async page(read) {
          context.budget.signal.throwIfAborted();
          context.progress({ rows: read - told.rows, bytes: bytes - told.bytes, what: name });
          told = { rows: read, bytes };
          await writer.page();
          return context.budget.remaining() <= 0 ? 'stop' : undefined;
        },
      },
    );
    return { segments: await writer.end(), digests: [digest.end()], documents, bytes, complete };
  } catch (error) {
    await writer.abandon();
    throw error;
  }
};

const changed = ({ index, from, to }: Range): LifeboatError =>
  new LifeboatError('SourceChanged', `index ${index} was changed while documents from ${from} to ${to ?? 'the end'} were read`, {
    hint: 'Pages shift when documents come or go. Back up when the index rests, set wholeIndexes, or use mode server.',
  });
