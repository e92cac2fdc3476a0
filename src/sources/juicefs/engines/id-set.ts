/** Ids of one page: neighbours are used together. */
const PAGE_BITS = 20;
const PAGE_BYTES = 2 ** PAGE_BITS / 8;
/** 64 MiB: half a thousand million ids. */
const PAGES_MAX = 512;

/** Ids that were seen, a bit for each. */
export interface IdSet {
  /** Whether it is new; undefined when there is no room for it. */
  add(id: bigint): boolean | undefined;
}

export const openIdSet = (): IdSet => {
  const pages = new Map<bigint, Uint8Array>();
  return {
    add(id) {
      const number = id >> BigInt(PAGE_BITS);
      let page = pages.get(number);
      if (page === undefined) {
        if (pages.size >= PAGES_MAX) return undefined;
        page = new Uint8Array(PAGE_BYTES);
        pages.set(number, page);
      }
      const bit = Number(BigInt.asUintN(PAGE_BITS, id));
      const [at, mask] = [bit >> 3, 1 << (bit & 7)];
      const known = page[at] as number;
      page[at] = known | mask;
      return (known & mask) === 0;
    },
  };
};
