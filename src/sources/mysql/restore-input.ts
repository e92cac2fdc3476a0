import { z } from 'zod';
import type { Manifest, Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { StageContext, StageInput } from '../contract.ts';

/** What the target must know of a segment to load it; the dump writes it, see rows.ts and lane.ts. */
const SegmentContextSchema = z.object({
  kind: z.enum(['tables', 'rows', 'objects', 'trailer']),
  tables: z.array(z.object({ name: z.string(), rows: z.int().nonnegative() })).default([]),
});

export type RestoreInput = Extract<StageInput, { kind: 'restore' }>;

export const restoreInput = (context: StageContext): RestoreInput => {
  if (context.input.kind === 'restore') return context.input;
  throw new Error('a stage of a restore was run within a backup');
};

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

export const segmentAt = (manifest: Manifest, ordinal: string): Segment => {
  const segment = manifest.segments.find((candidate) => candidate.ordinal === ordinal);
  if (segment !== undefined) return segment;
  throw new LifeboatError('ManifestInvalid', `the manifest has no segment ${ordinal}`);
};
