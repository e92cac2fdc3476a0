import { z } from 'zod';
import type { Manifest, Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';

/** What the target must know of a segment to load it; the dump writes it, see rows.ts and lane.ts. */
const SegmentContextSchema = z.object({
  kind: z.enum(['tables', 'rows', 'objects', 'trailer']),
  tables: z.array(z.object({ name: z.string(), rows: z.int().nonnegative(), transactional: z.boolean().default(true) })).default([]),
});

export const contextOf = (segment: Segment): z.output<typeof SegmentContextSchema> => {
  const context = SegmentContextSchema.safeParse(segment.context);
  if (context.success) return context.data;
  throw new LifeboatError('ManifestInvalid', `segment ${segment.ordinal} does not say what it holds`, {
    hint: 'The backup is not one of MySQL, or of a newer Lifeboat.',
    cause: context.error,
  });
};

/** The artifact's segments of one kind, in order. */
export const segmentsOf = (manifest: Manifest, kind: z.output<typeof SegmentContextSchema>['kind']): Segment[] =>
  manifest.segments.filter((segment) => segment.role === 'artifact' && contextOf(segment).kind === kind);
