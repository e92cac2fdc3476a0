import { invalid } from './invalid.ts';

const NEWLINE = 0x0a;

/** Longest line of a dump, in bytes: a document is at most as large as a request, 100 MB where nobody raised it. */
export const LINE_MAX = 256 * 1024 * 1024;

/** The lines of a file without their ends; blank ones are skipped, as Meilisearch does. A line lives until the next is asked for. */
export async function* readLines(body: AsyncIterable<Buffer>, what: string, max: number = LINE_MAX): AsyncGenerator<Buffer> {
  for await (const lines of readLineBatches(body, what, max)) yield* lines;
}

/** The same, in the batches in which they come: a promise for each of many millions of lines takes longer than reading them. */
export async function* readLineBatches(body: AsyncIterable<Buffer>, what: string, max: number = LINE_MAX): AsyncGenerator<Buffer[]> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const chunk of body) {
    const lines: Buffer[] = [];
    let at = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, at)) {
      const part = chunk.subarray(at, end);
      const line = heldBytes === 0 ? part : Buffer.concat([...held, part]);
      held = [];
      heldBytes = 0;
      at = end + 1;
      if (!isBlank(line)) lines.push(line);
    }
    if (at < chunk.length) {
      held.push(chunk.subarray(at));
      heldBytes += chunk.length - at;
      if (heldBytes > max) throw invalid(`${what} has a line of more than ${max} bytes`);
    }
    if (lines.length > 0) yield lines;
  }
  const last = Buffer.concat(held);
  if (!isBlank(last)) yield [last];
}

const isBlank = (line: Buffer): boolean => {
  for (let at = 0; at < line.length; at++) {
    const byte = line[at];
    if (byte !== 0x20 && byte !== 0x0d && byte !== 0x09) return false;
  }
  return true;
};

/** All of a small file. */
export const readWhole = async (body: AsyncIterable<Buffer>, what: string, max: number): Promise<Buffer> => {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body) {
    bytes += part.length;
    if (bytes > max) throw invalid(`${what} has more than ${max} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
};
