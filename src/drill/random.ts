/** Numbers in [0, 1), the same ones for the same seed. */
export type Random = () => number;

const UINT32 = 0x1_0000_0000;

/** splitmix32: tiny, and well mixed from the first number on, also for seeds that follow each other. Not for secrets. */
export const randomFrom = (seed: number): Random => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / UINT32;
  };
};

/** One of the items, each as likely as the others; undefined only when there is none. */
export const pick = <Item>(items: readonly Item[], random: Random): Item | undefined => items[Math.floor(random() * items.length)];
