/** Edits that still count as a typo; more, and it is another word. */
const EDITS_MAX = 2;

/** The known word that is nearest to a mistyped one, if any is near. */
export const nearest = (typed: string, known: readonly string[]): string | undefined => {
  const ranked = known
    .map((word) => ({ word, edits: word.startsWith(typed) && typed.length > 1 ? 1 : editDistance(typed, word) }))
    .filter(({ word, edits }) => edits <= Math.min(EDITS_MAX, Math.ceil(word.length / 3)))
    .sort((a, b) => a.edits - b.edits);
  return ranked[0]?.word;
};

/** Insertions, deletions, substitutions, and swaps of neighbours (optimal string alignment). */
export const editDistance = (a: string, b: string): number => {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      current[column] = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1),
        swapped ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
};

const at = (row: readonly number[], column: number): number => row[column] ?? Number.POSITIVE_INFINITY;
