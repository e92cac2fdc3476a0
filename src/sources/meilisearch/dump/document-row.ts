import type { RowDigest } from '../../../backup/digest.ts';
import type { DocumentSlice } from './json-slices.ts';

/** Columns of the class of an index: one document is one value. */
export const DOCUMENT_COLUMNS: readonly string[] = ['document'];

export const documentsClass = (index: string): string => `documents/${index}`;

/** What the server adds to a document without vectors when it is asked for vectors. */
const NO_VECTORS = Buffer.from(',"_vectors":{}}');

/** The bytes of a document as it is stored and compared: as served, less the suffix `,"_vectors":{}` that asking for vectors adds. */
export const documentEnd = (bytes: Buffer, { start, end }: DocumentSlice): number => {
  const at = end - NO_VECTORS.length;
  return at > start && bytes.compare(NO_VECTORS, 0, NO_VECTORS.length, at, end) === 0 ? at : end - 1;
};

/** Puts documents into the digest of their index. */
export interface DocumentRows {
  /** Answers the place of the primary key's value, or undefined when the document has none. */
  add(bytes: Buffer, slice: DocumentSlice): { readonly start: number; readonly end: number } | undefined;
}

const COMMA = 0x2c;
const [OPEN, CLOSE] = [0x7b, 0x7d];

/**
 * A row is the document with its members in byte order of their names. A server prints them in the order in which it first met each
 * name, and that is another one after a restore; what each member holds is compared byte by byte.
 */
export const documentRows = (digest: RowDigest, primaryKey: string | null): DocumentRows => {
  const keyName = primaryKey === null ? undefined : Buffer.from(JSON.stringify(primaryKey)).subarray(1, -1);
  let row = Buffer.alloc(64 * 1024);
  let order: number[] = [];
  return {
    add(bytes, slice) {
      const members = membersOf(bytes, slice);
      if (row.length < slice.end - slice.start + 2) row = Buffer.alloc(2 * (slice.end - slice.start));
      order = sorted(bytes, slice.places, members, order);
      let [at, keyStart, keyEnd] = [0, 0, 0];
      let key: { start: number; end: number } | undefined;
      row[at++] = OPEN;
      for (let n = 0; n < members; n++) {
        const place = 4 * (order[n] ?? 0);
        const [nameStart, nameEnd, start, end] = placesOf(slice.places, place);
        if (n > 0) row[at++] = COMMA;
        // From the opening quote of the name to its closing one, then the value, whatever white space is between.
        at += bytes.copy(row, at, nameStart - 1, nameEnd + 1);
        row[at++] = 0x3a;
        if (keyName !== undefined && key === undefined && equal(bytes, nameStart, nameEnd, keyName)) {
          key = { start, end };
          [keyStart, keyEnd] = [at, at + end - start];
        }
        at += bytes.copy(row, at, start, end);
      }
      row[at++] = CLOSE;
      digest.add(row.subarray(0, at), keyStart, key === undefined ? at : keyEnd);
      return key;
    },
  };
};

/** Without the empty `_vectors` at the end. */
const membersOf = (bytes: Buffer, slice: DocumentSlice): number =>
  documentEnd(bytes, slice) === slice.end - 1 ? slice.members : slice.members - 1;

const placesOf = (places: Int32Array, at: number): readonly [number, number, number, number] => [
  places[at] ?? 0,
  places[at + 1] ?? 0,
  places[at + 2] ?? 0,
  places[at + 3] ?? 0,
];

/** Insertion sort, beginning with the order of the document before: most documents of an index have the same members. */
const sorted = (bytes: Buffer, places: Int32Array, members: number, before: readonly number[]): number[] => {
  const order = before.length === members ? [...before] : Array.from({ length: members }, (_, n) => n);
  for (let n = 1; n < members; n++) {
    const member = order[n] ?? 0;
    let at = n;
    for (; at > 0 && compareNames(bytes, places, order[at - 1] ?? 0, member) > 0; at--) order[at] = order[at - 1] ?? 0;
    order[at] = member;
  }
  return order;
};

/** Two members of one name keep their order. */
const compareNames = (bytes: Buffer, places: Int32Array, left: number, right: number): number => {
  let [a, b] = [places[4 * left] ?? 0, places[4 * right] ?? 0];
  const [aEnd, bEnd] = [places[4 * left + 1] ?? 0, places[4 * right + 1] ?? 0];
  for (; a < aEnd && b < bEnd; a++, b++) {
    const difference = (bytes[a] ?? 0) - (bytes[b] ?? 0);
    if (difference !== 0) return difference;
  }
  return aEnd - a - (bEnd - b) || left - right;
};

const equal = (bytes: Buffer, start: number, end: number, name: Buffer): boolean => {
  if (end - start !== name.length) return false;
  for (let n = 0; n < name.length; n++) if (bytes[start + n] !== name[n]) return false;
  return true;
};
