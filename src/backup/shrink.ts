/** What of a backup is told when there is much less of it than there was in the one before. */
export interface Extent {
  /** A decimal string. */
  readonly rows: string;
  /** Of all segments in the store. */
  readonly bytes: number;
}

export interface Shrinkage {
  readonly rowsDroppedPercent: number;
  readonly bytesDroppedPercent: number;
}

/** A system that lost half of what it held since its last backup was hardly tidied up. */
export const SHRUNK_PERCENT = 50;

/** How much less there is now, in percent; 0 where there is more. */
export const shrinkageOf = (before: Extent, now: Extent): Shrinkage => ({
  rowsDroppedPercent: dropped(Number(before.rows), Number(now.rows)),
  bytesDroppedPercent: dropped(before.bytes, now.bytes),
});

const dropped = (before: number, now: number): number => (before === 0 ? 0 : Math.max(0, ((before - now) / before) * 100));

/** A sentence for people; undefined while nothing is wrong. */
export const shrinkWords = ({ rowsDroppedPercent, bytesDroppedPercent }: Shrinkage, before: string): string | undefined => {
  const shrunk = [
    ...(rowsDroppedPercent > SHRUNK_PERCENT ? [`${Math.floor(rowsDroppedPercent)} % fewer rows`] : []),
    ...(bytesDroppedPercent > SHRUNK_PERCENT ? [`${Math.floor(bytesDroppedPercent)} % fewer bytes`] : []),
  ];
  if (shrunk.length === 0) return undefined;
  return `this backup has ${shrunk.join(' and ')} than ${before}, the one before it: find out what was lost before older backups are pruned`;
};
