import { isUtf8 } from 'node:buffer';
import { loadDigest } from '../../../backup/digest.ts';
import type { ClassDigest } from '../../../backup/types.ts';
import { DOCUMENT_COLUMNS, documentRows, documentsClass } from './document-row.ts';
import { idSet } from './id-set.ts';
import { invalid } from './invalid.ts';
import { type DocumentSlice, documentSlice, readDocument, skipSpace } from './json-slices.ts';
import { readLineBatches } from './lines.ts';

/** What Meilisearch takes as a document's id: a whole number, or a short text. */
const ID = /^(-?\d+|"[A-Za-z0-9_-]{1,511}")$/;

export interface CheckedDocuments {
  readonly digest: ClassDigest;
  readonly documents: number;
  readonly bytes: number;
  /** Undefined where there were too many to remember their ids. */
  readonly duplicates: number | undefined;
}

/** Reads one documents.jsonl: every line is a JSON object with a usable primary key. Fails with ArtifactInvalid, which names the line. */
export const checkDocuments = async (
  body: AsyncIterable<Buffer>,
  index: { readonly uid: string; readonly primaryKey: string | null },
): Promise<CheckedDocuments> => {
  const what = `documents of ${index.uid}`;
  const digest = (await loadDigest()).open(documentsClass(index.uid), DOCUMENT_COLUMNS);
  const rows = documentRows(digest, index.primaryKey);
  const slice = documentSlice();
  const ids = idSet();
  let [documents, bytes] = [0, 0];
  const take = (line: Buffer): void => {
    documents++;
    bytes += line.length + 1;
    checkJson(line, what, documents);
    if (line[skipSpace(line, 0)] !== 0x7b) throw invalid(`line ${documents} of ${what} is no document`);
    readDocument(line, 0, slice);
    checkVectors(line, slice, what, documents);
    const key = rows.add(line, slice);
    if (index.primaryKey === null) return;
    if (key === undefined) throw invalid(`line ${documents} of ${what} has no ${index.primaryKey}, the primary key`);
    const id = line.toString('latin1', key.start, key.end);
    if (!ID.test(id))
      throw invalid(`line ${documents} of ${what} has the id ${id.slice(0, 80)}`, 'An id is a whole number, or letters, digits, - and _.');
    ids.add(id.startsWith('"') ? id.slice(1, -1) : id);
  };
  for await (const lines of readLineBatches(body, what)) for (const line of lines) take(line);
  return { digest: digest.end(), documents, bytes, duplicates: ids.duplicates() };
};

/** Structure is the same in UTF-8 and in Latin 1, which is quicker to make a string of. */
const checkJson = (line: Buffer, what: string, number: number): void => {
  if (!isUtf8(line)) throw invalid(`line ${number} of ${what} is not UTF-8`);
  try {
    JSON.parse(line.toString('latin1'));
  } catch (cause) {
    throw invalid(`line ${number} of ${what} is no JSON`, undefined, cause);
  }
};

const VECTORS = Buffer.from('_vectors');
const UNDERSCORE = 0x5f;

/** Meilisearch refuses a whole dump for one document whose vectors are no object. */
const checkVectors = (line: Buffer, { members, places }: DocumentSlice, what: string, number: number): void => {
  for (let at = 0; at < 4 * members; at += 4) {
    const start = places[at] ?? 0;
    const end = places[at + 1] ?? 0;
    if (line[start] !== UNDERSCORE || end - start !== VECTORS.length || line.compare(VECTORS, 0, VECTORS.length, start, end) !== 0)
      continue;
    const value = places[at + 2] ?? 0;
    if (line[value] !== 0x7b)
      throw invalid(`line ${number} of ${what} has _vectors that are no object`, 'Meilisearch would refuse the whole dump.');
  }
};
