import { LifeboatError } from '../../../errors.ts';
import { type DocumentSlice, documentSlice, readDocument, skipSpace, skipString, skipValue } from './json-slices.ts';

const [OPEN_LIST, CLOSE_LIST, COMMA, CLOSE, NEWLINE] = [0x5b, 0x5d, 0x2c, 0x7d, 0x0a];

export interface Page {
  readonly documents: number;
  readonly total: number;
}

/**
 * Calls `each` for the documents of an answer `{"results":[…],"offset":…,"limit":…,"total":…}`, whose bytes stay as they are. The slice
 * is used again for the next one.
 */
export const readPage = (bytes: Buffer, each: (slice: DocumentSlice) => void): Page => {
  const slice = documentSlice();
  let documents = 0;
  let total: number | undefined;
  let at = skipSpace(bytes, 0) + 1;
  for (;;) {
    at = skipSpace(bytes, at);
    const nameEnd = skipString(bytes, at);
    const name = bytes.toString('latin1', at + 1, nameEnd - 1);
    at = skipSpace(bytes, skipSpace(bytes, nameEnd) + 1);
    if (name === 'results') {
      at = readResults(bytes, at, slice, () => {
        documents++;
        each(slice);
      });
    } else {
      const end = skipValue(bytes, at);
      if (name === 'total') total = Number(bytes.toString('latin1', at, end));
      at = end;
    }
    at = skipSpace(bytes, at);
    if (bytes[at] === CLOSE) break;
    if (bytes[at] !== COMMA) throw unexpected();
    at++;
  }
  if (total === undefined || !Number.isInteger(total)) throw unexpected();
  return { documents, total };
};

const readResults = (bytes: Buffer, from: number, slice: DocumentSlice, each: () => void): number => {
  if (bytes[from] !== OPEN_LIST) throw unexpected();
  let at = skipSpace(bytes, from + 1);
  if (bytes[at] === CLOSE_LIST) return at + 1;
  for (;;) {
    at = readDocument(bytes, at, slice);
    // A document is one line of the dump.
    if (!slice.compact && bytes.subarray(slice.start, slice.end).includes(NEWLINE)) throw unexpected();
    each();
    at = skipSpace(bytes, at);
    if (bytes[at] === CLOSE_LIST) return at + 1;
    if (bytes[at] !== COMMA) throw unexpected();
    at++;
  }
};

const unexpected = (): LifeboatError =>
  new LifeboatError('SourceProblem', 'the answer to a request for documents is not what Meilisearch sends', {
    hint: 'Is something between Lifeboat and Meilisearch that changes answers?',
  });
