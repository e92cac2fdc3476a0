import { z } from 'zod';
import type { Manifest } from '../../backup/types.ts';
import type { Holding } from '../pool.ts';

/** Of `details`; a process that lists backups loads nothing else of this kind. */
const Counts = z.object({
  counts: z.object({ branches: z.int(), tags: z.int(), commits: z.int() }),
  copied: z.object({ listed: z.int(), listedBytes: z.int() }),
  uncommitted: z.int(),
});

/** In lakeFS's own words. Undefined for a manifest that says nothing of the kind. */
export const holdingOf = ({ details, digests }: Manifest): Holding | undefined => {
  const known = Counts.safeParse(details);
  if (!known.success) return undefined;
  const { counts, copied, uncommitted } = known.data;
  const objects = digests.find(({ name }) => name === 'objects')?.rows ?? '0';
  const words = [
    many(counts.branches, 'branch', 'branches'),
    many(counts.tags, 'tag', 'tags'),
    many(counts.commits, 'commit', 'commits'),
    many(objects, 'object', 'objects'),
    ...(uncommitted === 0 ? [] : [many(uncommitted, 'uncommitted change', 'uncommitted changes')]),
  ];
  return { words: words.join(', '), poolObjects: copied.listed, poolBytes: copied.listedBytes };
};

export const many = (count: number | string, one: string, more: string): string =>
  `${Number(count).toLocaleString('en-US')} ${Number(count) === 1 ? one : more}`;
