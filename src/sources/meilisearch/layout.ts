import type { Receipt } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { StageContext } from '../contract.ts';
import type { RawSum } from './dump/gzip-frame.ts';
import { type DocumentsFacts, DumpFactsSchema } from './dump-facts.ts';

/** What the dump wrote, in the order of the archive: a piece that is whole files, or the documents of one index. */
export type Piece =
  | { readonly kind: 'files'; readonly sums: readonly RawSum[] }
  | {
      readonly kind: 'documents';
      readonly index: string;
      readonly size: number;
      readonly firstTask: number;
      readonly lastTask: number;
      readonly sums: readonly RawSum[];
    };

/** Reads the receipts of the dump; fails with BackupIncomplete when they do not say what is needed. */
export const readPieces = async (context: StageContext): Promise<Piece[]> => {
  const pieces: Piece[] = [];
  for await (const receipt of context.receipts('dump')) {
    const facts = DumpFactsSchema.parse(receipt.facts);
    const sums = sumsOf(receipt);
    if (facts.kind !== 'documents') pieces.push({ kind: 'files', sums });
    else addDocuments(pieces, receipt, facts, sums);
  }
  return pieces;
};

const addDocuments = (pieces: Piece[], { task }: Receipt, { index }: DocumentsFacts, sums: readonly RawSum[]): void => {
  const size = sums.reduce((sum, { bytes }) => sum + bytes, 0);
  const last = pieces.at(-1);
  if (last?.kind === 'documents' && last.index === index)
    pieces[pieces.length - 1] = { ...last, size: last.size + size, lastTask: task, sums: [...last.sums, ...sums] };
  else pieces.push({ kind: 'documents', index, size, firstTask: task, lastTask: task, sums });
};

const sumsOf = ({ segments, task }: Receipt): RawSum[] =>
  segments
    .filter(({ role, encoding }) => role === 'artifact' && encoding === 'deflate-raw-flushed')
    .map(({ rawBytes, rawCrc32 }) => {
      if (rawCrc32 === undefined) throw new LifeboatError('BackupIncomplete', `a segment of task ${task} has no checksum`);
      return { bytes: rawBytes, crc32: rawCrc32 };
    });
