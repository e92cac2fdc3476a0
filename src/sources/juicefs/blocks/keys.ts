/** How a volume cuts its slices into objects. */
export interface BlockLayout {
  /** In bytes. */
  readonly blockSize: number;
  readonly hashPrefix: boolean;
}

export interface Slice {
  readonly id: bigint;
  /** In bytes. */
  readonly size: number;
}

export const blocksOf = ({ size }: Slice, { blockSize }: BlockLayout): number => Math.ceil(size / blockSize);

export interface Block {
  /** Below the folder of the volume. */
  readonly key: string;
  /** Before compression and encryption. */
  readonly bytes: number;
}

/** A block by its number in the slice, named as juicefs names it. */
export const blockOf = ({ id, size }: Slice, index: number, { blockSize, hashPrefix }: BlockLayout): Block => {
  const bytes = Math.min(blockSize, size - index * blockSize);
  const name = `${id}_${index}_${bytes}`;
  if (hashPrefix) {
    const first = (id % 256n).toString(16).toUpperCase().padStart(2, '0');
    return { key: `chunks/${first}/${id / 1_000_000n}/${name}`, bytes };
  }
  return { key: `chunks/${id / 1_000_000n}/${id / 1000n}/${name}`, bytes };
};
