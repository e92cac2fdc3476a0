import type { Key } from './catalog.ts';

const TAB = 9;

/**
 * Where the written columns of the row `bytes[start, end)` begin, after the text of `generated` others; `end + 1` when there
 * are no written columns.
 */
export const writtenStart = (bytes: Buffer, start: number, end: number, generated: number): number => {
  let at = start;
  let left = generated;
  // A loop of our own: the values are short, and a call of indexOf costs more than most of them.
  while (left > 0 && at < end) if (bytes[at++] === TAB) left--;
  return left > 0 ? end + 1 : at;
};

/** The bytes of a row that decide its bucket begin here … */
export const keyStart = (row: Buffer, key: Key): number => {
  if (key !== 'last') return 0;
  let at = row.length;
  while (at > 0 && row[at - 1] !== TAB) at--;
  return at;
};

/** … and end here. */
export const keyEnd = (row: Buffer, key: Key): number => {
  if (key !== 'first') return row.length;
  let at = 0;
  while (at < row.length && row[at] !== TAB) at++;
  return at;
};
