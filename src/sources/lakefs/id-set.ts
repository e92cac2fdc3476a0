/** Bytes of a sha256 that are kept: that two of a million agree in 16 has a chance of one in 10^26. */
const KEPT = 16;
const HEX = KEPT * 2;
const FIRST_SLOTS = 1024;

/** A set of sha256 ids in hex, some 32 bytes each, whatever their number: a Set of strings takes five times that. */
export interface IdSet {
  readonly size: number;
  /** True when it was not there. */
  add(id: string): boolean;
  has(id: string): boolean;
}

export const openIdSet = (): IdSet => {
  let slots = FIRST_SLOTS;
  let table = Buffer.alloc(slots * KEPT);
  let used = Buffer.alloc(slots);
  let size = 0;
  const wanted = Buffer.alloc(KEPT);

  /** The slot of what is in `wanted`, or the free one where it belongs. */
  const slotOf = (id: Buffer): number => {
    let slot = id.readUInt32LE(0) & (slots - 1);
    while (used[slot] === 1 && table.compare(id, 0, KEPT, slot * KEPT, (slot + 1) * KEPT) !== 0) slot = (slot + 1) & (slots - 1);
    return slot;
  };

  const grow = (): void => {
    const [before, taken, count] = [table, used, slots];
    slots *= 2;
    table = Buffer.alloc(slots * KEPT);
    used = Buffer.alloc(slots);
    for (let slot = 0; slot < count; slot++) {
      if (taken[slot] !== 1) continue;
      const id = before.subarray(slot * KEPT, (slot + 1) * KEPT);
      const free = slotOf(id);
      id.copy(table, free * KEPT);
      used[free] = 1;
    }
  };

  const read = (id: string): void => {
    if (wanted.write(id.slice(0, HEX), 'hex') !== KEPT) throw new RangeError('not a sha256 in hex');
  };

  return {
    get size() {
      return size;
    },
    add(id) {
      read(id);
      const slot = slotOf(wanted);
      if (used[slot] === 1) return false;
      wanted.copy(table, slot * KEPT);
      used[slot] = 1;
      size += 1;
      if (size * 2 > slots) grow();
      return true;
    },
    has(id) {
      read(id);
      return used[slotOf(wanted)] === 1;
    },
  };
};
