import { z } from 'zod';
import type { Manifest, Segment } from '../../backup/types.ts';
import { LifeboatError } from '../../errors.ts';
import type { SegmentSource } from '../contract.ts';
import { readScript } from './script.ts';

/** What the target must know of a segment to load it; the dump writes it, see data.ts and schema-task.ts. */
const SegmentContextSchema = z.object({
  kind: z.enum(['pre-data', 'data', 'sequences', 'post-data', 'trailer']),
  /** The COPYs of a data segment, in order. */
  tables: z.array(z.object({ schema: z.string(), name: z.string(), rows: z.int().nonnegative() })).default([]),
});

export type SegmentKind = z.output<typeof SegmentContextSchema>['kind'];

/** The artifact's segments of one kind, in order. */
export const segmentsOf = (manifest: Manifest, kind: SegmentKind): Segment[] =>
  manifest.segments.filter((segment) => segment.role === 'artifact' && contextOf(segment).kind === kind);

export function contextOf(segment: Segment): z.output<typeof SegmentContextSchema> {
  const context = SegmentContextSchema.safeParse(segment.context);
  if (context.success) return context.data;
  throw new LifeboatError('ManifestInvalid', `segment ${segment.ordinal} does not say what it holds`, {
    hint: 'The backup is not one of PostgreSQL, or of a newer Lifeboat.',
    cause: context.error,
  });
}

/** The statements of segments without COPY data, in order. */
export async function* statementsOf(read: SegmentSource, segments: readonly Segment[]): AsyncGenerator<string> {
  for (const segment of segments) {
    for await (const item of readScript(read.read(segment))) {
      if (item.kind === 'sql') yield item.text;
      if (item.kind === 'copy') throw new LifeboatError('ManifestInvalid', `segment ${segment.ordinal} holds rows and does not say so`);
    }
  }
}
