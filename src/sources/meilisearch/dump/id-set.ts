/** Ids that are remembered of one index: 16 bytes each, at worst 32. */
const IDS_MAX = 4_000_000;

/** Counts ids that come twice, by 53 bits of a hash: at four million ids one false alarm in a thousand files. */
export interface IdSet {
  add(id: string): void;
  /** Undefined after more than IDS_MAX ids. */
  duplicates(): number | undefined;
}

export const idSet = (): IdSet => {
  let table = new Float64Array(1024);
  let used = 0;
  let duplicates = 0;
  let given = false;

  const insert = (hash: number): boolean => {
    let at = hash % table.length;
    for (;;) {
      const found = table[at];
      if (found === hash) return false;
      if (found === 0) {
        table[at] = hash;
        return true;
      }
      at = at + 1 === table.length ? 0 : at + 1;
    }
  };
  const grow = (): void => {
    const before = table;
    table = new Float64Array(before.length * 2);
    for (const hash of before) if (hash !== 0) insert(hash);
  };
  return {
    add(id) {
      if (given) return;
      if (used >= IDS_MAX) {
        given = true;
        table = new Float64Array(0);
        return;
      }
      if (used * 2 >= table.length) grow();
      if (insert(hashOf(id))) used++;
      else duplicates++;
    },
    duplicates: () => (given ? undefined : duplicates),
  };
};

/** FNV-1a over two lanes, mixed: 53 bits, never zero. The file says which ids come twice, not an enemy. */
const hashOf = (id: string): number => {
  let [low, high] = [0x811c9dc5, 0x9747b28c];
  for (let at = 0; at < id.length; at++) {
    const code = id.charCodeAt(at);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x5bd1e995) ^ (high >>> 15);
  }
  return (mixed(high) & 0x1fffff) * 2 ** 32 + mixed(low ^ high) || 1;
};

const mixed = (bits: number): number => {
  let value = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
};
