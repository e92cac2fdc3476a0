/** A segment of rows as the dump writes it, cut into its statements without looking at each byte. */
import { LifeboatError } from '../../errors.ts';

export type SegmentItem =
  | { readonly kind: 'statement'; readonly sql: string }
  /** `head` is `INSERT INTO … VALUES`, `tuples` what follows, without the semicolon. */
  | { readonly kind: 'rows'; readonly head: string; readonly tuples: Buffer };

/** No value and no name has a newline in it here, so this is the end of a statement and of nothing else. */
const END = Buffer.from(';\n');
const HEAD_END = Buffer.from(' VALUES\n');
const INSERT = Buffer.from('INSERT INTO ');

/** For segments whose tables and columns have no newline in their names. Fails with ArtifactInvalid when the segment ends within a statement. */
export async function* segmentItems(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<SegmentItem> {
  let parts: Buffer[] = [];
  for await (const piece of bytes) {
    const block = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    let from = 0;
    const last = parts.at(-1);
    if (last !== undefined && last.at(-1) === END[0] && block[0] === END[1]) {
      parts.push(block.subarray(0, 1));
      yield itemOf(Buffer.concat(parts));
      parts = [];
      from = 1;
    }
    for (;;) {
      const end = block.indexOf(END, from);
      if (end < 0) break;
      parts.push(block.subarray(from, end + END.length));
      yield itemOf(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts));
      parts = [];
      from = end + END.length;
    }
    if (from < block.length) parts.push(block.subarray(from));
  }
  if (parts.length > 0) throw new LifeboatError('ArtifactInvalid', 'the segment ends within a statement', { hint: 'Verify the backup.' });
}

const itemOf = (statement: Buffer): SegmentItem => {
  const end = statement.length - END.length;
  if (!statement.subarray(0, INSERT.length).equals(INSERT)) return { kind: 'statement', sql: statement.toString('utf8', 0, end) };
  const head = statement.indexOf(HEAD_END);
  if (head < 0) throw new LifeboatError('ArtifactInvalid', 'a statement of the segment inserts no rows', { hint: 'Verify the backup.' });
  const tuples = head + HEAD_END.length;
  return { kind: 'rows', head: statement.toString('utf8', 0, tuples - 1), tuples: statement.subarray(tuples, end) };
};
