import { indexPath } from './api.ts';
import type { Client } from './client.ts';
import type { DocumentSlice } from './dump/json-slices.ts';
import { readPage } from './dump/page.ts';

/** Aim for an answer, in bytes: the server needs five times as much memory for it, and larger ones are no faster. */
export const PAGE_BYTES = 4 * 1024 * 1024;
/** Pages are asked for by the size of the documents before them. */
const PAGE_ROOM_BYTES = PAGE_BYTES + PAGE_BYTES / 4;
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
  /** The bytes are used again once the page was read: what is to be kept is copied. */
  document(bytes: Buffer, slice: DocumentSlice): void;
  /** After each page, with the number of documents since the beginning of the range; answers whether to stop. */
  page(documents: number): Promise<'stop' | undefined>;
}

/** Reads documents in the order in which the server keeps them, by offset: its cost is the same at each. */
export const readPages = async (client: Client, range: PageRange, sink: PageSink): Promise<Paged & { readonly complete: boolean }> => {
  const buffers = pageBuffers();
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
        const answer = fetchPage(client, range.index, asked, size, buffers.take);
        answer.catch(() => {});
        inFlight.push({ limit: size, answer });
        begun = true;
        asked += size;
      }
      const next = inFlight.shift();
      if (next === undefined) return { documents: done, total, complete: true };
      const bytes = await next.answer;
      const page = readPage(bytes, (slice) => sink.document(bytes, slice));
      buffers.giveBack(bytes);
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

const fetchPage = async (client: Client, index: string, offset: number, limit: number, room: (bytes: number) => Buffer): Promise<Buffer> =>
  (await client.request('GET', `${indexPath(index)}/documents`, { query: { offset, limit, retrieveVectors: true }, room })).bytes;

/** The same few buffers for all pages: what is thrown away is collected late, and meanwhile grows to hundreds of megabytes. */
const pageBuffers = () => {
  const free: Buffer[] = [];
  return {
    take(bytes: number): Buffer {
      const at = free.findIndex((buffer) => buffer.length >= bytes);
      const [found = Buffer.allocUnsafeSlow(Math.max(bytes, PAGE_ROOM_BYTES))] = at === -1 ? [] : free.splice(at, 1);
      return found.subarray(0, bytes);
    },
    /** Nobody looks at the page any more. */
    giveBack(page: Buffer): void {
      if (free.length <= PAGES_IN_FLIGHT && page.buffer.byteLength >= PAGE_ROOM_BYTES) free.push(Buffer.from(page.buffer));
    },
  };
};
