import { SLICE_BYTES } from '../model.ts';
import type { SqlRow } from './sql.ts';

/** An id of a slice: a number where that is exact. */
type Id = number | bigint;

const TWO_32 = 2 ** 32;
const EXACT_HIGH = 2 ** 21;

/** Counts how often slices are named. Holes have the id 0 and are no slices; juicefs counts them and then damages the counts of all others. */
export const countReferences = () => {
  const counted = new Map<Id, { readonly size: number; count: number }>();
  return {
    add(slices: Uint8Array): void {
      const view = new DataView(slices.buffer, slices.byteOffset, slices.byteLength);
      for (let at = 0; at + SLICE_BYTES <= slices.length; at += SLICE_BYTES) {
        const high = view.getUint32(at + 4);
        const id = high < EXACT_HIGH ? high * TWO_32 + view.getUint32(at + 8) : view.getBigUint64(at + 4);
        if (id === 0) continue;
        const known = counted.get(id);
        if (known === undefined) counted.set(id, { size: view.getUint32(at + 12), count: 1 });
        else known.count++;
      }
    },
    /** Id, size, count: in one order in every writer, so that they do not wait for each other in a circle. */
    rows: (): readonly SqlRow[] => [...counted].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, { size, count }]) => [id, size, count]),
  };
};
