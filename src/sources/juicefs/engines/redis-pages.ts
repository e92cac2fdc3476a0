import type { Edge, Page, PageRequest } from './reader.ts';

/** A page of all edges of a directory, which are in order. */
export const pageOf = (edges: readonly Edge[], { after, limit }: PageRequest): Page => {
  const from = after === undefined ? 0 : firstAfter(edges, after);
  if (edges.length - from <= limit) return { edges: from === 0 ? edges : edges.slice(from), more: false };
  return { edges: edges.slice(from, from + limit), more: true };
};

const firstAfter = (edges: readonly Edge[], name: Uint8Array): number => {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (Buffer.compare((edges[middle] as Edge).name, name) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
};
