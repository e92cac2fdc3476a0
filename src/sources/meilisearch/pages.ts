import { indexPath } from './api.ts';
import type { Client } from './client.ts';
import type { DocumentSlice } from './dump/json-slices.ts';
import { readPage } from './dump/page.ts';

/** Aim for an answer, in bytes: the server needs five times as much memory for it. */
export const PAGE_BYTES = 8 * 1024 * 1024;
export const PAGE_DOCUMENTS_MAX = 10_000;
/** The first page of an index, whose documents may be of any size. */
const FIRST_PAGE_DOCUMENTS = 1000;

/** Pages that are asked for at the same time: a second one doubles the rate, more bring nothing. */
const PAGES_IN_FLIGHT = 2;

export interface Paged {
  readonly documents: number;
  /** Of the whole index, as the last page said. */
  readonly total: number;
}

export interface PageRange {
  readonly index: string;
  readonly from: number;
  /** Null for the end of the index. */
  readonly to: number | null;
  readonly documentBytes: number;
}

export interface PageSink {
  document(bytes: Buffer, slice: DocumentSlice): void;
  /** After each page, with the number of documents since the beginning of the range; answers whether to stop. */
  page(documents: number): Promise<'stop' | undefined>;
}

/** Reads documents in the order in which the server keeps them, by offset: its cost is the same at each. */
export const readPages = async (client: Client, range: PageRange, sink: PageSink): Promise<Paged & { readonly complete: boolean }> => {
  const inFlight: { limit: number; answer: Promise<Buffer> }[] = [];
  let asked = range.from;
  let limit = Math.min(FIRST_PAGE_DOCUMENTS, pageDocuments(range.documentBytes));
  let begun = false;
  let done = 0;
  let total = range.to ?? Number.POSITIVE_INFINITY;
  const end = () => Math.min(range.to ?? Number.POSITIVE_INFINITY, total);
  try {
    for (;;) {
      // The first page says how many there are, and how large they are.
      const lanes = begun ? PAGES_IN_FLIGHT : 1;
      while (inFlight.length < lanes && (asked < end() || !begun)) {
        const size = Math.max(0, Math.min(limit, (range.to ?? Number.POSITIVE_INFINITY) - asked));
        const answer = fetchPage(client, range.index, asked, size);
        answer.catch(() => {});
        inFlight.push({ limit: size, answer });
        begun = true;
        asked += size;
      }
      const next = inFlight.shift();
      if (next === undefined) return { documents: done, total, complete: true };
      const bytes = await next.answer;
      const page = readPage(bytes, (slice) => sink.document(bytes, slice));
      done += page.documents;
      total = page.total;
      if (page.documents > 0) limit = pageDocuments(bytes.length / page.documents);
      // Fewer than asked for, and not at the end: the index changes. Whoever checks it will see that.
      if (page.documents < next.limit && range.from + done < end()) return { documents: done, total, complete: true };
      if ((await sink.page(done)) === 'stop' && range.from + done < end()) return { documents: done, total, complete: false };
    }
  } finally {
    await Promise.allSettled(inFlight.map(({ answer }) => answer));
  }
};

const pageDocuments = (documentBytes: number): number =>
  Math.max(1, Math.min(PAGE_DOCUMENTS_MAX, Math.floor(PAGE_BYTES / Math.max(1, documentBytes))));

const fetchPage = async (client: Client, index: string, offset: number, limit: number): Promise<Buffer> =>
  (await client.request('GET', `${indexPath(index)}/documents`, { query: { offset, limit, retrieveVectors: true } })).bytes;
