import { z } from 'zod';
import type { Ordinal, Segment } from '../../backup/types.ts';
import { parseJson } from '../../json.ts';
import type { Cursor, Part, Stage, TaskContext } from '../contract.ts';
import { EMPTY_SUM, GZIP_HEADER, gzipTrailer, joinSums, type RawSum, sumOf } from './dump/gzip-frame.ts';
import { fileHeader, padding, TAR_END } from './dump/tar-write.ts';
import { DumpFactsSchema } from './dump-facts.ts';
import { type Piece, readPieces } from './layout.ts';
import { afterTask, atBegin, atEnd, beforeTask } from './segment-writer.ts';

const CursorSchema = z.strictObject({ pieces: z.int().positive() });

/**
 * Makes one `.dump` of what the dump wrote: the gzip header, a tar header before the documents of each index, padding after them, the end
 * of the archive, and the checksum of it all, which is combined from those of the pieces. A dump that the server wrote is whole already.
 */
export const sealStage: Stage = {
  name: 'seal',
  mode: 'independent',
  async *plan(context) {
    for await (const receipt of context.receipts('dump')) {
      if (DumpFactsSchema.parse(receipt.facts).kind !== 'file') yield { task: { kind: 'frame' } };
      return;
    }
  },
  async run(_task, context, resume): Promise<Part> {
    const first = resume === undefined ? 0 : CursorSchema.parse(parseJson(resume)).pieces;
    const pieces = await readPieces(context);
    const mtime = await mtimeOf(context);
    const segments: Segment[] = first === 0 ? [await write(context, atBegin, GZIP_HEADER, 'identity')] : [];
    for (const [n, piece] of pieces.entries()) {
      if (n < first || piece.kind !== 'documents') continue;
      if (n > first && context.budget.remaining() <= 0)
        return { segments, digests: [], next: { cursor: JSON.stringify({ pieces: n }) as Cursor } };
      const [before, after] = framesOf(piece, mtime);
      segments.push(await write(context, beforeTask(piece.firstTask), before, 'deflate-raw-flushed'));
      if (after.length > 0) segments.push(await write(context, afterTask(piece.lastTask), after, 'deflate-raw-flushed'));
    }
    segments.push(await write(context, atEnd(0), TAR_END, 'deflate-raw-flushed'));
    segments.push(await write(context, atEnd(1), gzipTrailer(totalOf(pieces, mtime)), 'identity'));
    return { segments, digests: [] };
  },
};

const framesOf = ({ index, size }: Extract<Piece, { kind: 'documents' }>, mtime: number): readonly [Uint8Array, Uint8Array] => [
  fileHeader(`indexes/${index}/documents.jsonl`, size, mtime),
  padding(size),
];

/** Of the raw archive. */
const totalOf = (pieces: readonly Piece[], mtime: number): RawSum => {
  const sums = pieces.flatMap((piece) => {
    if (piece.kind === 'files') return piece.sums;
    const [before, after] = framesOf(piece, mtime);
    return [sumOf(before), ...piece.sums, sumOf(after)];
  });
  return [...sums, sumOf(TAR_END)].reduce(joinSums, EMPTY_SUM);
};

/** The same each time that it is asked for: a part of the seal may be written twice. */
const mtimeOf = async (context: TaskContext): Promise<number> => {
  for await (const receipt of context.receipts('dump')) {
    const facts = DumpFactsSchema.parse(receipt.facts);
    if (facts.kind === 'instance') return Math.floor(Date.parse(facts.at) / 1000);
  }
  return 0;
};

const write = (context: TaskContext, at: Ordinal, bytes: Uint8Array, encoding: 'identity' | 'deflate-raw-flushed'): Promise<Segment> =>
  context.write.write(at, once(bytes), { encoding, extension: encoding === 'identity' ? 'gz' : 'deflate', context: { kind: 'frame' } });

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
