import { readLines } from './dump/lines.ts';
import { readTar } from './dump/tar-read.ts';
import { BATCH_BYTES } from './post-documents.ts';

const NEWLINE = Buffer.from('\n');

/** Lines of the wanted files of an archive, in batches; the same ones each time that it is read. */
export async function* fileBatches(
  tar: AsyncIterable<Uint8Array>,
  wanted: (path: string) => boolean,
  max: number = BATCH_BYTES,
): AsyncGenerator<{ readonly path: string; readonly lines: Buffer }> {
  for await (const { path, body } of readTar(tar)) {
    if (!wanted(path)) continue;
    let parts: Buffer[] = [];
    let bytes = 0;
    for await (const line of readLines(body, path)) {
      if (bytes > 0 && bytes + line.length >= max) {
        yield { path, lines: Buffer.concat(parts) };
        [parts, bytes] = [[], 0];
      }
      parts.push(Buffer.from(line), NEWLINE);
      bytes += line.length + 1;
    }
    if (bytes > 0) yield { path, lines: Buffer.concat(parts) };
  }
}
